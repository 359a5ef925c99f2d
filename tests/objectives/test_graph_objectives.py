"""Each objective of the graph family trains each encoder, at the levels that it has."""

import dataclasses

import numpy as np
import pytest
import torch

from plait import registry
from plait.data.base import Example
from plait.encoders.base import EncoderWithHeads
from plait.errors import InputError
from plait.objectives.base import total
from plait.objectives.node_graphs import HIDDEN, ViewNodes
from plait.structure import read_structure
from plait.tokenizers.dssp import DSSPTokenizer
from plait.training.examples import make_batch

OBJECTIVES = ("residue-type", "distance", "angle", "dihedral", "denoising", "diffpret", "siamdiff", "multiview")
GEARNET = {"hidden": (8,) * 2}
GVP = {"node_hidden": (32, 4), "edge_hidden": (8, 1), "layers": 1}
VABSNET = {"width": 32, "edge_width": 16, "layers": 1, "heads": 2}
ENCODERS = {
    "neighbourhood": {"width": 16, "edge_width": 8, "layers": 1, "heads": 2},
    "gearnet": GEARNET,
    "gearnet-edge": GEARNET,
    "gearnet-edge atom": {**GEARNET, "level": "atom"},
    "gvp": GVP,
    "gvp atom": {**GVP, "level": "atom"},
    "vabsnet": VABSNET,
    "vabsnet atom": VABSNET,
    "prosst": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
}


@pytest.fixture(scope="module")
def examples(structures):
    whole = read_structure(structures / "1ubi.pdb")
    antibody = read_structure(structures / "2d7t.pdb.gz")
    parts = {"first": whole, "second": antibody.select(np.arange(len(antibody)) < 60)}
    return [Example(name, protein) for name, protein in parts.items()]


def make_encoder(name):
    torch.manual_seed(0)
    cls = registry.get("encoder", name.split()[0])
    config = cls.Config(**ENCODERS[name])
    if name == "prosst":
        config = config.with_tokenizer("dssp", DSSPTokenizer.size)
    encoder = cls(config)
    if name == "prosst":
        encoder.tokenizer = DSSPTokenizer()
    return encoder


def make_objective(name, **options):
    cls = registry.get("objective", name)
    known = {field.name for field in dataclasses.fields(cls.Config)}
    return cls(cls.Config(**{key: value for key, value in options.items() if key in known}))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_trains_the_encoder(examples, objective, encoder):
    """Finite terms, gradients in every tensor of the heads, and some in the encoder."""
    level = "atom" if encoder.endswith("atom") else "residue"
    objective, encoder = make_objective(objective, level=level), make_encoder(encoder)
    model = EncoderWithHeads(encoder, objective.heads, objective.make_heads(encoder))
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    outputs = batch.outputs(model)
    for name, shape in objective.shapes(batch.view).items():
        assert outputs[name].shape[:1] == shape[:1]
    loss = total(objective.loss(outputs, batch.view))
    assert torch.isfinite(loss)
    loss.backward()
    for name, parameter in model.objective_heads.named_parameters():
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().max() > 0, name
    reached = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in reached)
    assert any(gradient.abs().max() > 0 for gradient in reached)


@pytest.mark.parametrize("level", ["residue", "atom"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_published_draws_train_a_published_encoder(examples, objective, level):
    """With compat and chance of our own: finite, the same for the same draws, and some edge is hidden where one is."""
    objective = make_objective(objective, level=level, compat=True)
    encoder = registry.get("encoder", "gearnet-edge")
    encoder = encoder(encoder.Config(**GEARNET, level=level, compat=True, neighbour_limit=32))
    model = EncoderWithHeads(encoder, objective.heads, objective.make_heads(encoder))
    values = []
    for _ in range(2):
        batch = make_batch(encoder, objective, examples, np.random.default_rng(1))
        values.append(total(objective.loss(batch.outputs(model), batch.view)))
    assert torch.isfinite(values[0]) and values[0] == values[1]
    if objective.name in ("distance", "angle", "dihedral"):
        free = encoder.prepare([example.protein for example in examples])
        hidden = sum(len(extras[HIDDEN[level]]) for extras in batch.view.extras)
        assert 0 < hidden == len(free.source) - len(batch.inputs.source)


@pytest.mark.parametrize("encoder", ["neighbourhood", "gearnet", "gearnet-edge", "gvp"])
def test_nodes_of_a_question_do_not_hear_each_other(examples, encoder):
    objective, encoder = make_objective("distance"), make_encoder(encoder)
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    asked, heard = batch.view.targets["distance_nodes"], batch.inputs
    if hasattr(heard, "neighbour"):
        target, place = np.nonzero(heard.valid.numpy())
        joined = {*zip(heard.neighbour.numpy()[target, place].tolist(), target.tolist())}
    else:
        joined = {*zip(*(heard.residue[end].tolist() for end in (heard.source, heard.target)))}
    assert joined and len(asked) > 100
    assert not joined & {*map(tuple, asked.tolist())} and not joined & {*map(tuple, asked[:, ::-1].tolist())}


@pytest.mark.parametrize("level", ["residue", "atom"])
def test_nodes_of_a_question_do_not_hear_each_other_in_vabsnet(examples, level):
    """Neither in its residue track nor, of residues, by any two of their atoms; others do as before."""
    objective, encoder = make_objective("distance", level=level), make_encoder("vabsnet")
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    free, heard = encoder.prepare([example.protein for example in examples]), batch.inputs
    residues, atoms = len(heard.residue_rows), len(heard.atom_rows)
    residue_of = np.concatenate([example.protein.residue_of for example in examples])
    residue_of[len(examples[0].protein.position) :] += len(examples[0].protein)
    asked = batch.view.targets["distance_nodes"]
    if level == "atom":
        nodes = ViewNodes(batch.view, "atom")
        asked = nodes.row[nodes.find(asked)]
    asked = {*map(tuple, np.concatenate([asked, asked[:, ::-1]]).tolist())}
    assert len(asked) > 200
    for name, own in (("residue", heard.residue_nodes), ("atom", torch.arange(len(heard.position)))):
        names = np.full(len(heard.position), -1)
        if level == "residue":
            names[heard.atom_rows] = residue_of
            names[heard.residue_rows] = np.arange(residues)
        else:
            names[heard.atom_rows] = np.arange(atoms)
        names = names[own]
        pairs = {}
        for which, made in (("free", getattr(free, name)), ("heard", getattr(heard, name))):
            row, column = np.nonzero(made.near_mask.numpy())
            ends = np.stack([names[made.near[row, column]], names[made.near_rows[row]]], axis=1)
            pairs[which] = {(a, b) for a, b in ends.tolist() if a >= 0 and b >= 0}
        assert not pairs["heard"] & asked
        assert pairs["free"] - asked == pairs["heard"]
        # of the atoms' pairs few are of two C-alphas
        assert len(pairs["free"] & asked) > (10 if (level, name) == ("atom", "residue") else 50)


def test_a_hidden_place_of_vabsnet_says_nothing(examples):
    """With all pairs of residues hidden and one layer, a residue that moves changes no other one; the global node,
    whose mean of all would tell it, is kept in its place."""
    encoder = make_encoder("vabsnet").eval()
    protein = examples[0].protein
    pairs = np.stack(np.meshgrid(np.arange(len(protein)), np.arange(len(protein))), -1).reshape(-1, 2)
    pairs = np.concatenate([pairs[pairs[:, 0] != pairs[:, 1]], np.full((len(pairs) - len(protein), 1), -1)], 1)
    batch = encoder.prepare([protein], hidden_edges=[pairs], origin=[np.zeros(3)])
    moved = np.array(protein.position)
    moved[protein.residue_of == 30] += np.float32([0.5, 0.2, -0.3])
    other = encoder.prepare([protein.with_positions(moved)], hidden_edges=[pairs], origin=[np.zeros(3)])
    with torch.no_grad():
        before, after = encoder(batch).residue, encoder(other).residue
    changed = (before != after).any(1)
    assert changed[30] and changed.sum() == 1


def test_a_sum_encodes_each_view_once(examples):
    """Heads of several objectives in one network, with the readout of others."""
    parts = {name: make_objective(name) for name in ("siamdiff", "multiview", "masked-lm")}
    objective = parts["siamdiff"] + 0.5 * parts["multiview"] + parts["masked-lm"]
    encoder, count = make_encoder("gearnet-edge"), []
    encoder.register_forward_hook(lambda *_: count.append(1))
    model = EncoderWithHeads(encoder, objective.heads, objective.make_heads(encoder))
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    terms = objective.loss(batch.outputs(model), batch.view)
    assert {"siamdiff_structure", "siamdiff_type", "multiview", "residue_type"} <= set(terms)
    assert len(count) == 4


def test_a_view_that_no_head_reads_is_not_encoded(examples):
    objective, encoder, count = make_objective("multiview"), make_encoder("gearnet"), []
    encoder.register_forward_hook(lambda *_: count.append(1))
    model = EncoderWithHeads(encoder, objective.heads, objective.make_heads(encoder))
    make_batch(encoder, objective, examples, np.random.default_rng(0)).outputs(model)
    assert len(count) == 2


def test_atoms_are_asked_of_encoders_that_have_them(examples):
    objective, encoder = make_objective("distance", level="atom"), make_encoder("gearnet")
    model = EncoderWithHeads(encoder, {}, objective.make_heads(encoder))
    with pytest.raises(InputError, match="no vectors of atoms"):
        make_batch(encoder, objective, examples, np.random.default_rng(0)).outputs(model)


def test_published_parts_need_a_graph(examples):
    with pytest.raises(InputError, match="part of a graph"):
        make_objective("multiview", compat=True).make_heads(make_encoder("neighbourhood"))


def test_places_for_edges_must_fit(examples):
    """Noise first and hidden residues after it: their side chains are gone, and the places before the noise are not."""
    objective = make_objective("denoising", edges="original") + make_objective("masked-lm")
    with pytest.raises(InputError, match="stand last"):
        make_batch(make_encoder("gearnet"), objective, examples, np.random.default_rng(0))


def test_old_ways_still_go(examples):
    """Without heads of its own an objective is asked as before, with or without the view."""
    objective, encoder = make_objective("masked-lm"), make_encoder("gearnet")
    model = EncoderWithHeads(encoder, objective.heads, objective.make_heads(encoder)).eval()
    batch = make_batch(encoder, objective, examples, np.random.default_rng(0))
    assert torch.equal(batch.outputs(model)["residue_type"], model(batch.inputs)["residue_type"])
