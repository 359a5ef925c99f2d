"""Heads begin with the best constant answer."""

import json

import numpy as np
import pytest
import torch
from embedding_sets import InMemory

from plait.config import from_dict
from plait.data.base import Example
from plait.data.batches import BatchConfig, Batches
from plait.data.tensors import read_tensors
from plait.encoders.base import EncoderWithHeads
from plait.objectives.base import Sum
from plait.objectives.binding_site import BindingSite, BindingSiteConfig
from plait.objectives.masked_lm import MaskedLM
from plait.registry import get
from plait.structure.reading import read_structure
from plait.structure.vocabulary import RESIDUES
from plait.training.base_rates import BATCHES, begin_at_base_rates, best_constants
from plait.training.options import PretrainConfig
from plait.training.pretrain import pretrain


class Labelled(InMemory):
    """Proteins whose residues bind where `bind` says so."""

    def __init__(self, proteins, bind):
        super().__init__(proteins)
        self.bind = bind

    def __getitem__(self, index):
        protein = super().__getitem__(index).protein
        return Example(self.ids[index], protein, {"binding_site": self.bind(protein)})


@pytest.fixture(scope="module")
def proteins(structures):
    return {"1ubi": read_structure(structures / "1ubi.pdb"), "2d7t": read_structure(structures / "2d7t.pdb.gz")}


def log_odds(share):
    return np.log(share / (1 - share))


def batches_of(dataset):
    return Batches(dataset, BatchConfig(residues=512, crop=0), seed=0)


def test_a_binding_heads_constant_is_the_log_odds_of_the_share_that_binds(proteins):
    """Of the residues whose label is known; glycines bind here, and prolines are not known."""
    glycine, proline = (RESIDUES.index(letter) for letter in "GP")

    def bind(protein):
        label = (protein.residue_type == glycine).astype(np.float32)
        label[protein.residue_type == proline] = np.nan
        return label

    dataset, objective = Labelled(proteins, bind), Sum(((1.0, BindingSite()),))
    batches = batches_of(dataset)
    encoder = get("encoder", "neighbourhood")
    model = EncoderWithHeads(encoder(encoder.Config()), objective.heads)
    begin_at_base_rates(model, objective, batches)
    labels = np.concatenate([e.labels["binding_site"] for step in range(BATCHES) for e in batches[step]])
    expected = log_odds(np.nanmean(labels))
    # the shrinkage moves it by less than a hundredth where a twentieth of the residues bind
    assert model.readout.heads["binding_site"].bias.item() == pytest.approx(expected, abs=0.01)


def test_constants_of_types_are_their_frequencies(proteins):
    objective = MaskedLM()
    examples = [Example(name, protein) for name, protein in proteins.items()]
    views = [objective.view([example], np.random.default_rng(seed)) for seed, example in enumerate(examples)]
    constant = best_constants(objective, views, ["residue_type"])["residue_type"]
    # each view's loss is a mean of its own, so that views count alike
    shares = []
    for view in views:
        target, weight = view.targets["residue_type"], view.weights["residue_type"]
        count = np.bincount(target[weight > 0], weights=weight[weight > 0], minlength=20)
        shares.append(count / count.sum())
    share = np.mean(shares, axis=0)
    found = torch.softmax(constant, 0).numpy()
    assert np.abs(found - share).max() < 2e-3
    assert constant.isfinite().all() and (found[share == 0] < 2e-3).all()


def test_kinds_that_are_rarely_known_have_their_own_rate(proteins):
    known = {0: 1.0, 1: 0.1}

    def bind(protein):
        label = np.full((len(protein), 2), np.nan, np.float32)
        for column, share in known.items():
            rows = slice(0, int(share * len(protein)))
            label[rows, column] = np.arange(len(protein))[rows] % (4 if column == 0 else 10) == 0
        return label

    dataset = Labelled(proteins, bind)
    objective = BindingSite(BindingSiteConfig(columns=2))
    views = [objective.view([dataset[1]], np.random.default_rng(0))]
    constant = best_constants(objective, views, ["binding_site"])["binding_site"]
    expected = [log_odds(np.nanmean(column)) for column in dataset[1].labels["binding_site"].T]
    assert constant.numpy() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("name", ["neighbourhood", "vabsnet", "gearnet", "prosst"])
def test_the_answers_of_a_model_without_weights_are_its_biases(name, proteins):
    """Every family adds its biases to its outputs: with all weights of the readout zero they are the outputs."""
    cls = get("encoder", name)
    model = EncoderWithHeads(cls(cls.Config()), {"residue_type": 20, "profile": 20, "protein_ec": 3}, protein_layers=2)
    biases = model.eval().readout.output_biases()
    tied = {"residue_type"} if name == "prosst" else set()
    assert biases.keys() == {"residue_type", "profile", "protein_ec"} - tied
    with torch.no_grad():
        for parameter in model.readout.parameters():
            parameter.zero_()
        for number, (parameter, columns) in enumerate(biases.values()):
            width = len(parameter[columns])
            parameter[columns] = torch.arange(width) + 100.0 * number
        outputs = model(model.encoder.prepare([proteins["1ubi"]]))
    for number, head in enumerate(biases):
        expected = torch.arange(outputs[head].shape[1]) + 100.0 * number
        assert torch.equal(outputs[head], expected.expand_as(outputs[head]))


def test_heads_that_were_trained_stay(proteins):
    dataset = Labelled(proteins, lambda protein: (protein.residue_type == RESIDUES.index("G")).astype(np.float32))
    objective = Sum(((1.0, BindingSite()), (1.0, MaskedLM())))
    cls = get("encoder", "neighbourhood")
    model = EncoderWithHeads(cls(cls.Config()), objective.heads)
    before = model.readout.heads["residue_type"].bias.clone()
    fresh = {name for name, _ in model.named_parameters() if "residue_type" not in name}
    assert begin_at_base_rates(model, objective, batches_of(dataset), fresh).keys() == {"binding_site"}
    assert torch.equal(model.readout.heads["residue_type"].bias, before)


@pytest.mark.slow
def test_a_recipe_begins_with_them_or_not(tmp_path, shared):
    """One step at a rate of nearly zero: the weights are still those of the beginning."""
    found = {}
    for given in (True, False):
        values = {
            "data": {"folder": str(shared / "data" / "corpus"), "split": "valid", "exclude": "nothing", "longest": 55},
            "batch": {"residues": 512, "crop": 0},
            "encoder": {"name": "neighbourhood", "width": 16, "edge_width": 8, "layers": 1, "heads": 2},
            "objective": {"masked-lm": {"rate": 0.5}},
            "base_rates": given,
            "run": {"out": str(tmp_path / str(given)), "steps": 1, "learning_rate": 1e-9, "device": "cpu"},
        }
        pretrain(from_dict(PretrainConfig, values))
        found[given] = read_tensors(tmp_path / str(given) / "best.safetensors")["readout.heads.residue_type.bias"]
        essence = json.loads((tmp_path / str(given) / "run.json").read_text())["run"]["pretrain"]
        assert ("base_rates" in essence) == given
    common, rare = RESIDUES.index("L"), RESIDUES.index("W")
    assert found[True][common] - found[True][rare] > 1  # e-fold, in proteins ninefold
    assert found[False].abs().max() <= 0.25  # the drawn ones: one over the root of the width at most
