"""Graphs, their features and line graphs against the published program's, and what ours does better."""

import dataclasses

import numpy as np
import pytest
import torch

from plait.encoders.blocks.residue_atom_graph import nearest_edges, radius_edges, sequence_places
from plait.encoders.gearnet import GearNetEdgeConfig, GearNetEdgeEncoder
from plait.encoders.gearnet.graphs import prepare
from plait.encoders.gearnet.line_graph import line_graph
from plait.encoders.gearnet.published import PUBLISHED

STRUCTURES = ("p1", "1S3P-A", "2W83-E", "2J9H-A", "2PE5-B")
LARGE = ("AF-MK01_HUMAN", "AF-A0A2Z5U3Z0")
LEVEL = {"residue": PUBLISHED["gearnet-edge"], "atom": PUBLISHED["gearnet-edge-atom"]}
CASES = [(name, level) for name in STRUCTURES for level in LEVEL] + [(name, "residue") for name in LARGE]


@pytest.fixture(scope="module")
def graphs(siamdiff):
    """A function: our published-compatible graph of a structure and the recorded one."""
    known = {}

    def make(name, level):
        if (name, level) not in known:
            batch = prepare(LEVEL[level], [siamdiff.protein(name)])
            known[name, level] = batch, siamdiff.arrays("graphs", f"{name}.{level}.npz")
        return known[name, level]

    return make


@pytest.mark.parametrize(("name", "level"), CASES)
def test_edges_and_features_of_the_oracle(name, level, graphs):
    batch, expected = graphs(name, level)
    assert np.array_equal(torch.stack([batch.source, batch.target], 1).numpy(), expected["edge"])
    assert np.array_equal(batch.relation.numpy(), expected["relation"])
    assert np.array_equal(batch.sequence_distance.numpy(), expected["edge_seq_dist"])
    assert np.array_equal(batch.source_type.numpy(), expected["edge_type_in"])
    assert np.array_equal(batch.target_type.numpy(), expected["edge_type_out"])
    # float32 there, float64 here
    assert np.abs(batch.distance.numpy() - expected["edge_distance"]).max() < 1e-5
    ones = [batch.residue_column] if level == "residue" else [batch.element_column, 18 + batch.residue_column]
    assert np.array_equal(torch.stack(ones, 1).numpy(), expected["node_onehot"])


@pytest.mark.parametrize(("name", "level"), CASES)
def test_line_graph_counts_of_the_oracle(name, level, graphs):
    batch, expected = graphs(name, level)
    lines = line_graph(batch.source, batch.target, batch.position, 8)
    _, second, part = lines.on_edges()
    assert np.array_equal(part.bincount(minlength=8).numpy(), expected["line_bins_total"])
    if "line_bins_per_target" in expected:
        counts = (second * 8 + part).bincount(minlength=8 * len(batch.source)).reshape(-1, 8)
        assert np.array_equal(counts.numpy(), expected["line_bins_per_target"])


def test_whole_line_graph_and_dense_features_of_the_oracle(graphs):
    batch, expected = graphs("p1", "residue")
    lines = line_graph(batch.source, batch.target, batch.position, 8)
    first, second, part = (column.numpy() for column in lines.on_edges())
    order = np.lexsort((first, second))
    assert np.array_equal(np.stack([first, second], 1)[order], expected["line_edge"])
    assert np.array_equal(part[order], expected["line_relation"])
    config = LEVEL["residue"]
    assert np.array_equal(batch.node_feature(config).numpy(), expected["node_feature_dense"])
    assert np.abs(batch.edge_feature(config).numpy() - expected["edge_feature_dense"]).max() < 1e-5


def test_a_batch_is_its_graphs_one_after_the_other(siamdiff, graphs):
    names = ("p1", "1S3P-A")
    batch = prepare(LEVEL["residue"], [siamdiff.protein(name) for name in names])
    nodes = 0
    edges = 0
    for name in names:
        alone, _ = graphs(name, "residue")
        rows = slice(edges, edges + len(alone.source))
        assert torch.equal(batch.source[rows], alone.source + nodes)
        assert torch.equal(batch.target[rows], alone.target + nodes)
        assert torch.equal(batch.distance[rows], alone.distance)
        nodes, edges = nodes + len(alone.position), edges + len(alone.source)
    assert (len(batch.position), len(batch.source)) == (nodes, edges)


@pytest.mark.parametrize("limit", [None, 2, 5])
def test_radius_edges_against_every_pair(limit):
    position = np.random.default_rng(0).uniform(0, 6, (60, 3))
    expected = []
    for target in range(60):
        matches = [s for s in range(60) if np.square(position[s] - position[target]).sum() < 9.0]
        kept = matches if limit is None else matches[: limit + 1]
        expected += [(source, target) for source in kept if source != target]
    assert np.array_equal(radius_edges(position, 3.0, limit), expected)


def test_the_radius_itself_is_outside():
    position = np.array([[0.0, 0, 0], [3.0, 0, 0], [0, 2.9999, 0]])
    assert radius_edges(position, 3.0).tolist() == [[2, 0], [0, 2]]


def test_nearest_edges_of_equal_distance_take_the_lower_index():
    corners = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    for count in (1, 2, 4, 10):
        expected = []
        for target in range(8):
            distance = np.abs(corners - corners[target]).sum(axis=1)  # orders a cube's corners as their distances do
            others = sorted((d, s) for s, d in enumerate(distance) if s != target)
            expected += [(source, target) for _, source in others[:count]]
        assert np.array_equal(nearest_edges(corners, count), expected)


def test_chains_are_apart_in_ours(siamdiff):
    """The published program counts residues through the joint of two chains and loses the contacts there."""
    protein = siamdiff.protein("1S3P-A")
    joint = 55
    halves = np.where(np.arange(len(protein)) < joint, "A", "B")
    two = protein.replace(chain=halves)
    close = np.linalg.norm(two.c_alpha[:, None] - two.c_alpha[None], axis=-1) < 10
    near = np.abs(np.subtract.outer(np.arange(len(two)), np.arange(len(two)))) < 5
    crossing = close & near & (halves[:, None] != halves[None])
    assert crossing.sum() == 20  # ten pairs, both ways: specs/siamdiff.md, 9.10

    def found(config):
        batch = prepare(config, [two])
        space = batch.relation >= 5
        source, target = batch.source[space].numpy(), batch.target[space].numpy()
        return {pair for pair in zip(source.tolist(), target.tolist()) if crossing[pair]}, batch

    published, _ = found(LEVEL["residue"])
    ours, batch = found(dataclasses.replace(LEVEL["residue"], compat=False))
    assert not published
    assert ours == set(zip(*map(np.ndarray.tolist, np.nonzero(crossing))))
    across = halves[batch.source.numpy()] != halves[batch.target.numpy()]
    assert (batch.sequence_distance.numpy()[across] == 10).all()
    assert (batch.relation.numpy()[across] >= 5).all()


def test_places_count_what_is_missing(siamdiff):
    protein = siamdiff.protein("p1")
    whole = sequence_places(protein)
    assert np.array_equal(whole, np.arange(len(protein)))
    keep = np.ones(len(protein), bool)
    keep[20:27] = False
    assert np.array_equal(sequence_places(protein.select(keep)), whole[keep])
    # numbers that jump where the chain goes on mean nothing
    jumping = protein.replace(author_number=protein.author_number + 100 * (np.arange(len(protein)) > 40))
    assert np.array_equal(sequence_places(jumping), whole)


def test_published_vocabulary_drops_selenium(siamdiff):
    protein = siamdiff.protein("p1")
    element = protein.element.astype("U2")
    element[10] = "SE"
    protein = protein.replace(element=element)
    published = prepare(LEVEL["atom"], [protein])
    ours = prepare(dataclasses.replace(LEVEL["atom"], compat=False), [protein])
    assert 10 not in published.atom.tolist()
    assert len(published.atom) == len(protein.position) - 1
    assert len(ours.atom) == len(protein.position)


@pytest.mark.parametrize("config", [{}, {"level": "atom"}, {"level": "atom", "compat": True}, {"compat": True}])
def test_hidden_residues_do_not_show(config, siamdiff):
    """Another type and another side chain where the type is hidden: the batch stays the same."""
    protein = siamdiff.protein("p1")
    hidden = np.arange(len(protein)) % 3 == 0
    side = hidden[protein.residue_of] & ~np.isin(protein.atom_name, ("N", "CA", "C", "O"))
    fields = ("position", "atom_name", "element", "residue_of")
    changed = protein.replace(
        residue_type=np.where(hidden, (protein.residue_type + 5) % 21, protein.residue_type).astype(np.int8),
        **{name: getattr(protein, name)[~side] for name in fields},
    )
    encoder = GearNetEdgeEncoder(GearNetEdgeConfig(hidden=(8, 8), **config))
    batches = [encoder.prepare([p], masked=[hidden]) for p in (protein, changed)]
    batches.append(encoder.prepare([protein], masked=[np.flatnonzero(hidden)]))
    # numbers of atoms count all that the protein has
    names = [f.name for f in dataclasses.fields(batches[0]) if f.name not in ("atom", "atom_offsets")]
    for name in names:
        first, *others = (getattr(batch, name) for batch in batches)
        assert all(first is other or torch.equal(first, other) for other in others), name
    assert (batches[0].residue_column == -1).any()
    assert not torch.equal(encoder.eval()(batches[0]).residue, encoder(encoder.prepare([protein])).residue)
