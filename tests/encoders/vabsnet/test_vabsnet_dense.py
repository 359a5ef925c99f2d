"""Attention along lists is dense attention, nodes by nodes, with all else masked: modules, and the whole network."""

import numpy as np
import pytest
import torch

from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder
from plait.encoders.vabsnet.attention import Links, PositionHead, TrackAttention
from plait.encoders.vabsnet.features import prepare
from plait.structure import Protein, read_structure

SMALL = {"layers": 2, "width": 16, "feed_forward": 32, "heads": 4, "edge_width": 8, "kernels": 8, "drop_path": 0.0}


@pytest.fixture(scope="module")
def proteins(structures):
    """One whole, and one with residues of which nothing is known, so that some neighbours are missing."""
    whole = read_structure(structures / "1ubi.pdb")
    holes = whole.backbone[:20].copy()
    holes[4:7] = np.nan
    return [whole.select(np.arange(76) < 25), Protein.from_backbone(whole.sequence[:20], holes)]


def table(track, values):
    """Values of edges [E, ...] as a matrix [nodes, nodes, ...], and where there is an edge."""
    there = torch.cat([track.near_mask.flatten(), torch.ones(len(track.far), dtype=torch.bool)])
    receivers, senders = track.receivers()[there], track.senders()[there]
    matrix = values.new_zeros(track.nodes, track.nodes, *values.shape[1:]).index_put(
        (receivers, senders), values[there]
    )
    edges = torch.zeros(track.nodes, track.nodes, dtype=torch.int64).index_put(
        (receivers, senders), torch.ones(len(senders), dtype=torch.int64), accumulate=True
    )
    assert edges.max() == 1  # no edge twice
    return matrix, edges > 0


def dense_weights(module, x, edges, track):
    """Softmax over all nodes [nodes, nodes, H], from matrices."""
    query, key = (part(x).unflatten(-1, (module.heads, -1)) for part in (module.query, module.key))
    bias, there = table(track, module.bias(edges))
    logits = torch.einsum("ihc,jhc->ijh", query, key) / query.shape[-1] ** 0.5 + bias
    return torch.softmax(logits.masked_fill(~there[..., None], -torch.inf), 1).nan_to_num()


def dense_attention(module, x, edges, track):
    value = module.value(x).unflatten(-1, (module.heads, -1))
    return module.output(torch.einsum("ijh,jhc->ihc", dense_weights(module, x, edges, track), value).flatten(-2))


def drawn(module, track, width):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(track.nodes, width, dtype=torch.float64, requires_grad=True)
    edges = torch.randn(len(track.distance), 8, dtype=torch.float64, requires_grad=True)
    return x, edges


@pytest.mark.parametrize("kind", ["atom", "residue"])
@pytest.mark.parametrize("points", [0, 3])
def test_attention_of_a_track(proteins, kind, points):
    config = VabsnetConfig(**SMALL, virtual_points=points, residue_neighbours=6, atom_neighbours=5)
    track = getattr(prepare(config, proteins), kind)
    module = TrackAttention(config).double().eval()
    x, edges = drawn(module, track, 16)
    found, expected = module(x, edges, Links(track)), dense_attention(module, x, edges, track)
    assert torch.allclose(found, expected, atol=1e-12)
    factor = torch.randn(found.shape, dtype=torch.float64)
    inputs = (x, edges, *module.parameters())
    got, wanted = (torch.autograd.grad((one * factor).sum(), inputs) for one in (found, expected))
    for one, other in zip(got, wanted, strict=True):
        # nodes without a sender are not a number in the dense gradient
        assert torch.allclose(one, other.nan_to_num(), atol=1e-10)


@pytest.mark.parametrize("projections", ["shared", "separate"])
def test_displacements(proteins, projections):
    config = VabsnetConfig(**SMALL, position_projections=projections, residue_neighbours=6, atom_neighbours=5)
    batch = prepare(config, proteins)
    module = PositionHead(config).double().eval()
    x, edges = drawn(module, batch.atom, 16)
    found = module(x, edges, batch.position, Links(batch.atom))
    weights = dense_weights(module, x, edges, batch.atom)
    apart = (batch.position[:, None] - batch.position[None]).nan_to_num()  # (i, j, 3)
    value = module.value(x).unflatten(-1, (module.heads, -1))  # (j, H, c)
    force = torch.einsum("ijh,ija,jhc->iahc", weights, apart, value).flatten(-2)  # (i, 3, d)
    layers = [*module.force] * (1 if projections == "separate" else 3)
    expected = torch.stack([layer(force[:, axis])[:, 0] for axis, layer in enumerate(layers)], -1)
    assert torch.allclose(found, expected, atol=1e-11)


@torch.no_grad()
def test_the_whole_network(proteins, monkeypatch):
    torch.manual_seed(0)
    encoder = VabsnetEncoder(VabsnetConfig(**SMALL, residue_neighbours=6, atom_neighbours=5)).double().eval()
    batch = encoder.prepare(proteins)
    found = encoder(batch)

    def dense(module, x, edges, links):
        track = batch.residue if links.near_shape == batch.residue.near.shape else batch.atom
        return dense_attention(module, x, edges, track)

    monkeypatch.setattr(TrackAttention, "forward", dense)
    expected = encoder(batch)
    for level in ("residue", "atom", "protein"):
        assert torch.allclose(getattr(found, level), getattr(expected, level), atol=1e-10), level
