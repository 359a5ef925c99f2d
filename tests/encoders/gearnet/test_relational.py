"""Sums by relation against loops, and the network against a plain transcription of its specification."""

import dataclasses

import numpy as np
import pytest
import torch
from reference_gearnet import gearnet, line_edges
from scipy.spatial.transform import Rotation

from plait.encoders.blocks import relational_rows
from plait.encoders.blocks.relational import relational_sum, relations
from plait.encoders.blocks.relational_rows import RowBlocks, sum_by_rows
from plait.encoders.gearnet import GearNetConfig, GearNetEdgeConfig, GearNetEdgeEncoder, GearNetEncoder, modeling
from plait.encoders.gearnet.line_graph import line_graph


def random_edges(seed, nodes=7, targets=9, edges=40, count=3):
    """Edges with empty sums, targets that nothing reaches, and targets that hear from the same nodes."""
    generator = torch.Generator().manual_seed(seed)
    source, target, relation = (torch.randint(0, top, (edges,), generator=generator) for top in (nodes, 6, count))
    pair = torch.tensor([[0, 7, 1], [2, 7, 1], [2, 8, 1], [0, 8, 1], [3, 8, 2]])
    more = torch.cat([torch.stack([source, target, relation], 1), pair])
    return more.unbind(1)


@pytest.mark.parametrize("shared", [False, True])
def test_relational_sum_against_a_loop(shared):
    source, target, relation = random_edges(0)
    x, weight = torch.randn(7, 4, dtype=torch.float64), torch.randn(5, 12, dtype=torch.float64)
    expected = torch.zeros(10, 5, dtype=torch.float64)
    for u, v, r in zip(source.tolist(), target.tolist(), relation.tolist()):
        expected[v] += weight[:, 4 * r : 4 * r + 4] @ x[u]
    got = relational_sum(x, weight, relations(source, target, relation, 3, shared=shared), 10)
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_of_relational_sum(shared):
    source, target, relation = random_edges(1)
    parts = relations(source, target, relation, 3, shared=shared)
    x = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: relational_sum(x, w, parts, 9), (x, weight))


@pytest.mark.parametrize("rows", [1, 4, 1024])
def test_sum_by_rows_against_a_loop(rows, monkeypatch):
    """Values and gradients, with targets in several blocks, in one, and in a block with rows to spare."""
    monkeypatch.setattr(relational_rows, "ROWS", rows)
    edges = torch.stack(random_edges(3), 1)
    source, target, relation = edges[edges[:, 1].argsort(stable=True)].unbind(1)
    graph = RowBlocks.of(source, target, relation, 7, 10, 3)
    x = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    expected = torch.zeros(10, 5, dtype=torch.float64)
    for u, v, r in edges.tolist():
        expected[v] += (weight[:, 2 * r : 2 * r + 2] @ x[u]).detach()
    assert torch.allclose(sum_by_rows(x, weight, graph), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x, w: sum_by_rows(x, w, graph), (x, weight))


def test_equal_sums_are_made_once():
    source, target, relation = random_edges(2)
    apart = relations(source, target, relation, 3)[1]
    shared = relations(source, target, relation, 3, shared=True)[1]
    assert len(shared.offsets) < len(apart.offsets)
    x = torch.randn(7, 4, dtype=torch.float64)
    assert torch.equal(shared.target, apart.target)
    assert torch.allclose(shared.sums(x)[shared.sum_of], apart.sums(x))


def test_no_edges():
    none = torch.zeros(0, dtype=torch.long)
    x, weight = torch.randn(4, 2, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    out = relational_sum(x, weight, relations(none, none, none, 2, shared=True), 5)
    out.sum().backward()
    assert torch.equal(out, torch.zeros(5, 3)) and not x.grad.any() and not weight.grad.any()
    assert torch.equal(sum_by_rows(x, weight, RowBlocks.of(none, none, none, 4, 5, 2)), torch.zeros(5, 3))
    assert sum_by_rows(x[:0], weight, RowBlocks.of(none, none, none, 0, 0, 2)).shape == (0, 3)


@pytest.mark.parametrize("seed", range(3))
def test_line_graph_against_all_pairs_of_edges(seed):
    """Also with edges that stand there twice and nodes joined to themselves."""
    source, target, _ = random_edges(seed, nodes=6, targets=6)
    position = torch.from_numpy(np.random.default_rng(seed).normal(size=(9, 3)))
    lines = line_graph(source, target, position, 8)
    got = torch.stack(lines.on_edges(), 1)
    expected = torch.stack(line_edges(source, target, position, 8), 1)
    assert sorted(got.tolist()) == sorted(expected.tolist())
    assert len(got) == sum(int((target == b).sum()) for b in source.tolist())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("level", ["residue", "atom"])
@pytest.mark.parametrize("edge", [True, "with equal sums made once", False])
def test_the_network_against_the_transcription(edge, level, training, siamdiff, monkeypatch):
    """Vectors and gradients in float64, where two right programs agree to rounding."""
    monkeypatch.setattr(modeling, "SHARED_FROM", 10**6 if edge is True else 1)
    config = (GearNetEdgeConfig if edge else GearNetConfig)(level=level, hidden=(12, 12, 7))
    torch.manual_seed(0)
    encoder = (GearNetEdgeEncoder if edge else GearNetEncoder)(config).double().train(training)
    protein = siamdiff.protein("p1")
    protein = protein.select(np.arange(len(protein)) < (50 if level == "residue" else 12))
    batch = encoder.prepare([protein])
    features = batch.node_feature(config, torch.float64), batch.edge_feature(config, torch.float64)
    arguments = (*features, batch.source, batch.target, batch.relation, batch.position)
    state = dict(encoder.gearnet.named_parameters()) | dict(encoder.gearnet.named_buffers())
    expected = gearnet(state, config, *arguments, training=training)
    weights = torch.randn_like(expected)
    expected_gradients = torch.autograd.grad((expected * weights).sum(), list(encoder.gearnet.parameters()))
    got = encoder.gearnet(*arguments)
    gradients = torch.autograd.grad((got * weights).sum(), list(encoder.gearnet.parameters()))
    assert torch.allclose(got, expected, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(gradients, expected_gradients):
        assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_atom_level_vectors(siamdiff):
    """A residue is the mean of its atoms, whether or not its C-alpha is there; atoms that are no nodes have zeros."""
    protein = siamdiff.protein("p1")
    element = protein.element.astype("U2")
    element[3] = "SE"
    protein = protein.replace(element=element)
    encoder = GearNetEdgeEncoder(GearNetEdgeConfig(level="atom", hidden=(8, 8), compat=True)).eval()
    with torch.no_grad():
        output = encoder(encoder.prepare([protein, protein]))
    assert output.atom.shape == (2 * len(protein.position), 16)
    assert not output.atom[3].any()
    second = output.atom[len(protein.position) :]
    assert torch.allclose(second, output.atom[: len(protein.position)], atol=1e-6)
    rows = torch.from_numpy(np.flatnonzero((protein.residue_of == 0) & (element != "SE")))
    assert torch.allclose(output.residue[0], output.atom[rows].mean(0), atol=1e-6)


@pytest.mark.parametrize("encoder", [GearNetEncoder, GearNetEdgeEncoder])
def test_atom_level_is_invariant(encoder, siamdiff):
    torch.manual_seed(0)
    encoder = encoder(encoder.Config(level="atom", hidden=(16, 16))).double().eval()
    protein = siamdiff.protein("p1")
    rotation = Rotation.random(random_state=0).as_matrix()
    moved = protein.with_positions(protein.position.astype(np.float64) @ rotation.T + [10.0, -20.0, 30.0])
    with torch.no_grad():
        before, after = (encoder(encoder.prepare([p])) for p in (protein, moved))
    for name in ("atom", "residue", "protein"):
        # values reach some tens, so this is the promise's 1e-9 with room for sums in another order
        assert torch.allclose(getattr(before, name), getattr(after, name), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("encoder", [GearNetEncoder, GearNetEdgeEncoder])
def test_atom_level_of_little_is_finite(encoder, siamdiff):
    """One residue, one atom, C-alphas only: in training, where a single row has no spread to be normalised by."""
    encoder = encoder(encoder.Config(level="atom", hidden=(16, 16))).train()
    protein = siamdiff.protein("p1")
    fields = ("position", "atom_name", "element", "residue_of")

    def only(mask):
        return protein.replace(**{name: getattr(protein, name)[mask] for name in fields})

    few = [protein.select(np.arange(len(protein)) == 5), only(protein.atom_name == "CA")]
    few += [only(np.arange(len(protein.position)) == 3), only(np.zeros(len(protein.position), bool))]
    for part in few:
        encoder.zero_grad()
        output = encoder(encoder.prepare([part]))
        assert output.residue.shape == (len(part), 32) and output.atom.shape == (len(part.position), 32)
        output.atom.square().sum().backward()
        assert torch.isfinite(output.atom).all() and torch.isfinite(output.protein).all()
        assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_residues_without_c_alpha_have_zeros(siamdiff):
    protein = siamdiff.protein("p1")
    gone = (protein.residue_of == 5) & (protein.atom_name == "CA")
    fields = ("position", "atom_name", "element", "residue_of")
    protein = protein.replace(**{name: getattr(protein, name)[~gone] for name in fields})
    encoder = GearNetEncoder(GearNetConfig(hidden=(8, 8))).eval()
    output = encoder(encoder.prepare([protein]))
    assert torch.nonzero(~output.residue.any(dim=1)).tolist() == [[5]]
    nothing = protein.select(np.arange(len(protein)) == 5)
    assert not encoder(encoder.prepare([nothing])).protein.any()


def test_moved_nodes_keep_their_edges(siamdiff):
    config = GearNetEdgeConfig(hidden=(8,))
    encoder = GearNetEdgeEncoder(config)
    batch = encoder.prepare([siamdiff.protein("p1")])
    moved = batch.with_positions(batch.position + torch.randn_like(batch.position))
    assert torch.equal(moved.source, batch.source) and torch.equal(moved.sequence_distance, batch.sequence_distance)
    expected = (moved.position[moved.source] - moved.position[moved.target]).square().sum(1).sqrt()
    assert torch.allclose(moved.edge_feature(config, torch.float64)[:, -1], expected)


def test_bfloat16_by_autocast_stays_near(siamdiff):
    """8 bits of mantissa through two layers of sums: a few parts in a hundred of the largest value at most."""
    torch.manual_seed(0)
    encoder = GearNetEdgeEncoder(GearNetEdgeConfig(hidden=(32, 32)))
    batch = encoder.prepare([siamdiff.protein("p1")])
    expected = encoder(batch).residue
    with torch.autocast("cpu", torch.bfloat16):
        got = encoder(batch).residue
    got.float().sum().backward()
    assert (got.float() - expected).abs().max() < 0.03 * expected.abs().max()
    assert all(p.grad.dtype == torch.float32 and torch.isfinite(p.grad).all() for p in encoder.parameters())


def test_configurations_that_make_no_sense_are_refused():
    from plait.errors import InputError

    with pytest.raises(InputError, match="level"):
        GearNetConfig(level="chain")
    with pytest.raises(InputError, match="hidden"):
        GearNetConfig(hidden=())
    with pytest.raises(InputError, match="bins"):
        dataclasses.replace(GearNetEdgeConfig(), angle_bins=0)
