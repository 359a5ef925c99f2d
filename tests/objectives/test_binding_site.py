"""The objective of binding sites: its loss by hand, what it leaves out, and that encoders learn from it."""

import dataclasses

import numpy as np
import pytest
import torch

from plait import registry
from plait.data.base import Example
from plait.data.complexes import Complexes, ComplexesConfig
from plait.encoders.base import EncoderWithHeads
from plait.errors import InputError
from plait.objectives.base import total, whole
from plait.objectives.binding_site import BindingSite, BindingSiteConfig
from plait.structure import read_structure

GENERATOR = np.random.default_rng


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


def labelled(protein, label, name="p"):
    return Example(name, protein, {"binding_site": np.asarray(label, np.float32)})


def loss_of(objective, examples, logits):
    view = objective.view(examples, GENERATOR(0))
    return objective.loss({"binding_site": torch.tensor(logits)[:, None]}, view)["binding_site"]


def test_loss_by_hand(ubiquitin):
    three = ubiquitin.select(np.arange(76) < 3)
    term = loss_of(BindingSite(), [labelled(three, [1, 0, np.nan])], [2.0, -1.0, 50.0])
    assert term.count == 2
    assert term.value.item() == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2, rel=1e-6)


def test_it_is_the_cross_entropy_of_two_classes(ubiquitin):
    """The published head has two outputs; one logit is their difference."""
    generator = torch.Generator().manual_seed(0)
    two = torch.randn(76, 2, generator=generator)
    label = GENERATOR(0).integers(0, 2, 76)
    expected = torch.nn.functional.cross_entropy(two, torch.as_tensor(label))
    term = loss_of(BindingSite(), [labelled(ubiquitin, label)], (two[:, 1] - two[:, 0]).tolist())
    assert term.value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_weights_of_binding_residues_and_of_proteins(ubiquitin):
    pair = ubiquitin.select(np.arange(76) < 2)
    part = [np.log1p(np.exp(-1)), np.log1p(np.exp(2))]  # of a binding residue at 1, of another at 2
    weighty = BindingSite(BindingSiteConfig(positive_weight=3.0))
    term = loss_of(weighty, [labelled(pair, [1, 0])], [1.0, 2.0])
    assert term.value.item() == pytest.approx((3 * part[0] + part[1]) / 4, rel=1e-6)
    alike = BindingSite(BindingSiteConfig(per_protein=True))
    one = ubiquitin.select(np.arange(76) < 1)
    term = loss_of(alike, [labelled(pair, [0, 0]), labelled(one, [1])], [2.0, 2.0, 1.0])
    assert term.value.item() == pytest.approx((part[0] + part[1]) / 2, rel=1e-6)


def test_nothing_outside_the_chains_is_seen(structures):
    protein = read_structure(structures / "4eiy.cif.gz")
    assert len(protein.hetero)
    view = BindingSite().view([labelled(protein, np.zeros(len(protein)))], GENERATOR(0))
    assert len(view.proteins[0].hetero) == 0
    assert np.array_equal(view.proteins[0].position, protein.position)


def test_hidden_residues(ubiquitin):
    objective = BindingSite(BindingSiteConfig(hidden=0.2))
    view = objective.view([labelled(ubiquitin, np.zeros(76))] * 20, GENERATOR(0))
    share = np.concatenate(view.masked).mean()
    assert abs(share - 0.2) < 4 * (0.2 * 0.8 / 1520) ** 0.5  # four standard deviations of the draw
    assert view.weights["binding_site"].all()


def test_examples_without_labels_are_not_asked(ubiquitin):
    view = BindingSite().view([Example("p", ubiquitin)], GENERATOR(0))
    assert not view.weights["binding_site"].any()


def test_pretraining_chains_are_never_negatives(shared):
    chains = Complexes(ComplexesConfig(folder=str(shared / "data" / "complexes"), split="pretrain"))
    view = BindingSite().view([chains[0]], GENERATOR(0))
    assert not view.weights["binding_site"].any()


@pytest.mark.parametrize(("field", "value"), [("positive_weight", 0.0), ("hidden", 1.0), ("hidden", -0.1)])
def test_bad_options_are_refused(field, value):
    with pytest.raises(InputError):
        BindingSite(dataclasses.replace(BindingSiteConfig(), **{field: value}))


@pytest.mark.parametrize("name", registry.parts("encoder"))
def test_every_encoder_has_the_head(name, ubiquitin):
    """Logits, loss and a gradient in the encoder, for every registered encoder."""
    torch.manual_seed(0)
    cls = registry.get("encoder", name)
    encoder = cls(cls.Config())
    reads = getattr(encoder.config, "has_structure", False)
    tokens = {"structure_tokens": [np.zeros(76, np.int64)]} if reads else {}
    objective = BindingSite()
    model = EncoderWithHeads(encoder, objective.heads)
    view = objective.view([labelled(ubiquitin, np.arange(76) % 9 == 0)], GENERATOR(0))
    outputs = model(encoder.prepare(view.proteins, **tokens))
    assert outputs["binding_site"].shape == (76, 1)
    total(objective.loss(outputs, view)).backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in encoder.parameters())


def test_it_stands_beside_other_objectives(ubiquitin):
    masked = registry.get("objective", "masked-lm")()
    both = BindingSite() + 0.5 * masked
    example = labelled(ubiquitin, np.arange(76) % 2)
    view = both.corrupt(whole([example]), [example], GENERATOR(0))
    assert view.masked[0].any()
    assert {"binding_site", "residue_type"} <= set(view.weights)
