"""The GVP network against the published program's intermediate states, and that it can be trained."""

import dataclasses
import lzma

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load

from plait.errors import InputError
from plait.tokenizers.gvp_features import Graph, graph_features, segments
from plait.tokenizers.gvp_network import PUBLISHED, GVPEncoder, GVPEncoderConfig

SMALL = GVPEncoderConfig(node_hidden=(24, 8), edge_hidden=(12, 2), layers=2)


@pytest.fixture(scope="module")
def published(oracle):
    tensors = load(lzma.decompress((oracle / "prosst/quant/encoder.safetensors.xz").read_bytes()))
    encoder = GVPEncoder(PUBLISHED).eval()
    encoder.load_state_dict({name: value for name, value in tensors.items() if not name.endswith("dummy_param")})
    return encoder


@pytest.fixture(scope="module")
def p1(oracle):
    return np.load(oracle / "prosst/quant/expected/p1.npz")["coords_milliangstrom"].astype(float) / 1000


def induced(graph: Graph, members: np.ndarray) -> Graph:
    """The part of a graph between some of its nodes."""
    members = torch.from_numpy(members)
    place = torch.full((len(graph),), -1)
    place[members] = torch.arange(len(members))
    kept = (place[graph.source] >= 0) & (place[graph.target] >= 0)
    target = place[graph.target[kept]]
    return Graph(
        node_vector=graph.node_vector[members],
        source=place[graph.source[kept]],
        target=target,
        offsets=torch.searchsorted(target, torch.arange(len(members) + 1)),
        edge_scalar=graph.edge_scalar[kept],
        edge_vector=graph.edge_vector[kept],
        residue=members,
    )


def test_features_are_the_published_ones(oracle, p1):
    expected = np.load(oracle / "prosst/quant/expected/p1_intermediate.npz")
    graph = graph_features(p1, compat=True)
    order = np.lexsort(expected["edge_index"])  # ours are sorted by target
    assert (graph.source.numpy() == expected["edge_index"][0][order]).all()
    assert (graph.target.numpy() == expected["edge_index"][1][order]).all()
    # float32 features of size one; the distance is subtracted from centres up to 20, hence 1e-6 and not less
    np.testing.assert_allclose(graph.node_vector.transpose(1, 2), expected["node_v"], atol=1e-6)
    np.testing.assert_allclose(graph.edge_scalar, expected["edge_s"][order], atol=2e-6)
    np.testing.assert_allclose(graph.edge_vector.transpose(1, 2), expected["edge_v"][order], atol=1e-6)


@torch.no_grad()
def test_states_of_one_subgraph_are_the_published_ones(oracle, p1, published):
    expected = np.load(oracle / "prosst/quant/expected/p1_intermediate.npz")
    members = expected["subgraph_members"][30].astype(np.int64)
    graph = induced(graph_features(p1, compat=True), members[members >= 0])

    def same(state, scalar, vector):
        # states are of size 1 to 10, float32 rounding grows to about 5e-6 over six layers
        np.testing.assert_allclose(state[0], expected[scalar], atol=2e-5)
        np.testing.assert_allclose(state[1].transpose(1, 2), expected[vector], atol=2e-5)

    state = published.W_v(published.node_state(graph))
    same(state, "res30_Wv_s", "res30_Wv_v")
    edge = published.W_e((graph.edge_scalar, graph.edge_vector))
    order = np.lexsort(expected["res30_edge_index"])
    np.testing.assert_allclose(edge[0], expected["res30_We_s"][order], atol=2e-5)
    np.testing.assert_allclose(edge[1].transpose(1, 2), expected["res30_We_v"][order], atol=2e-5)
    same(published.layers[0].conv(state, edge, graph), "res30_layer0_message_s", "res30_layer0_message_v")
    for number, layer in enumerate(published.layers):
        state = layer(state, edge, graph)
        same(state, f"res30_layer{number}_s", f"res30_layer{number}_v")
    np.testing.assert_allclose(published.W_out(state)[0], expected["res30_Wout"], atol=2e-5)


def test_gradients_are_those_of_differences(p1):
    torch.manual_seed(0)
    encoder = GVPEncoder(GVPEncoderConfig(node_hidden=(6, 4), edge_hidden=(5, 2), layers=2)).double().eval()
    graph = graph_features(p1[:7]).to(dtype=torch.float64)

    def logits(node_vector, edge_scalar, edge_vector):
        changed = dataclasses.replace(graph, node_vector=node_vector, edge_scalar=edge_scalar, edge_vector=edge_vector)
        return encoder.classify(changed)

    inputs = (graph.node_vector, graph.edge_scalar, graph.edge_vector)
    assert torch.autograd.gradcheck(logits, [tensor.clone().requires_grad_() for tensor in inputs], fast_mode=True)


def test_training_reduces_the_loss_and_reaches_every_parameter(p1):
    torch.manual_seed(0)
    encoder = GVPEncoder(SMALL)
    graph = graph_features(p1, neighbours=SMALL.neighbours, radius=SMALL.radius)
    graph = Graph.concatenate([graph, graph_features(p1[:20], radius=SMALL.radius)])
    labels = torch.randint(20, (95,))
    optimiser = torch.optim.Adam(encoder.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(encoder.classify(graph), labels)
        optimiser.zero_grad()
        loss.backward()
        idle = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == []
        assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.2


@torch.no_grad()
def test_graphs_side_by_side_are_the_same_as_alone(p1):
    encoder = GVPEncoder(SMALL).eval()
    graphs = [graph_features(p1[a:b]) for a, b in ((0, 40), (10, 11), (30, 75))]
    alone = torch.cat([encoder(graph) for graph in graphs])
    # the same float32 sums in blocks of another size
    torch.testing.assert_close(encoder(Graph.concatenate(graphs)), alone, atol=1e-5, rtol=1e-5)


def test_autocast_is_harmless(p1):
    torch.manual_seed(1)
    encoder = GVPEncoder(SMALL).eval()
    graph = graph_features(p1[:20])
    expected = encoder(graph)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scalar = encoder(graph)
        encoder.classify(graph).sum().backward()
    assert torch.equal(scalar, expected)


@torch.no_grad()
def test_turning_and_moving_changes_nothing(p1):
    torch.manual_seed(1)
    encoder = GVPEncoder(SMALL).eval()
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)  # a rotation, not a reflection
    moved = p1 @ turn.T + [30, -20, 10]
    # coordinates of tens of angstrom in float32 are good to 4e-6
    here, there = encoder(graph_features(p1)), encoder(graph_features(moved))
    torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)


def test_segments_end_at_breaks_and_chain_ends(p1):
    whole = np.zeros(75, int)
    assert (segments(p1) == whole).all()
    chain = np.where(np.arange(75) < 30, "A", "B")
    assert (segments(p1, chain) == (np.arange(75) >= 30)).all()
    holed = p1.copy()
    holed[40, 2] = np.nan
    assert (segments(holed) == whole).all()  # one residue cannot be seen, the chain goes on
    holed[40:] += [30, 0, 0]
    assert (segments(holed) == (np.arange(75) >= 41)).all()
    assert (segments(np.delete(p1, 50, axis=0)) == (np.arange(74) >= 50)).all()


def test_nothing_runs_over_a_break(p1):
    broken = np.delete(p1, 50, axis=0)
    graph = graph_features(broken)
    assert not graph.node_vector[49, :, 0].any()  # nothing follows
    assert not graph.node_vector[50, :, 1].any()  # nothing comes before
    across = (graph.source < 50) != (graph.target < 50)
    assert across.any()
    assert not graph.edge_scalar[across][:, 16:].any()
    assert graph.edge_scalar[~across][:, 16:].any(dim=1).all()
    compat = graph_features(broken, compat=True)
    assert compat.node_vector[49, :, 0].any()
    assert compat.edge_scalar[:, 16:].any(dim=1).all()


def test_absent_residues_have_no_node_and_chains_no_edge(p1):
    holed = p1.copy()
    holed[[0, 40]] = np.nan
    chain = np.where(np.arange(75) < 30, "A", "B")
    graph = graph_features(holed, chain)
    assert graph.residue.tolist() == [i for i in range(75) if i not in (0, 40)]
    residue_chain = chain[graph.residue]
    assert (residue_chain[graph.source] == residue_chain[graph.target]).all()


def test_one_perceptron_makes_no_message():
    with pytest.raises(InputError, match="2 or more"):
        GVPEncoderConfig(message_layers=1)
