"""The neighbourhood encoder against a plain computation of the same attention, one residue at a time."""

import numpy as np
import pytest
import torch

from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood import NeighbourhoodEncoder
from plait.encoders.neighbourhood.geometry import c_beta, frames, node_geometry, pair_geometry, surroundings
from plait.encoders.neighbourhood.modeling import NeighbourAttention
from plait.errors import InputError
from plait.structure import Protein, geometry, read_structure
from plait.structure.lining import lining


@pytest.fixture(scope="module")
def protein(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    config = NeighbourhoodEncoder.Config(width=16, edge_width=8, layers=2, heads=4, neighbours=7)
    return NeighbourhoodEncoder(config).double().eval()


def test_attention_is_that_of_its_definition(encoder, protein, monkeypatch):
    seen = {}

    def keep(module, arguments, output):
        seen.setdefault(id(module), (module, arguments, output))

    hooks = [m.register_forward_hook(keep) for m in encoder.modules() if isinstance(m, NeighbourAttention)]
    monkeypatch.setattr("plait.encoders.blocks.neighbour_attention.CHUNK", 31 * 4 * 16)  # 76 residues in some blocks
    short = protein.select(np.arange(76) < 5)  # has fewer residues than neighbours are asked for
    with torch.no_grad():
        encoder(encoder.prepare([protein, short]))
    for hook in hooks:
        hook.remove()
    assert len(seen) == 2
    for module, (x, edges, layout), output in seen.values():
        q, k, v = module.qkv(x).view(81, 3, 4, 4).unbind(1)  # (R, heads, c)
        for row in (0, 30, 31, 75, 76, 80):
            slots = torch.nonzero(layout.valid[row]).squeeze(1)
            others = layout.neighbour[row, slots]
            logits = torch.einsum("hc,khc->hk", q[row], k[others]) / 4**0.5 + module.bias(edges[row, slots]).T
            weights = logits.softmax(-1)  # (heads, neighbours)
            values = torch.einsum("hk,khc->hc", weights, v[others]).flatten()
            pairs = (weights @ edges[row, slots]).flatten()
            # float64: rounding only
            assert torch.allclose(output[row], module.out(torch.cat([values, pairs])), atol=1e-12)
        assert layout.valid[76:].sum(1).tolist() == [5] * 5


def test_neighbours_are_itself_and_the_nearest(encoder, protein):
    batch = encoder.prepare([protein, protein])
    distance = np.linalg.norm(protein.c_alpha[:, None] - protein.c_alpha, axis=-1)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :7]
    assert [set(row) for row in batch.neighbour[:76].tolist()] == [set(row) for row in nearest.tolist()]
    assert torch.equal(batch.neighbour[76:], batch.neighbour[:76] + 76)
    assert torch.equal(batch.separation[:76], batch.neighbour[:76] - torch.arange(76)[:, None])


def test_geometry_agrees_with_that_of_structures(protein, monkeypatch):
    backbone = torch.tensor(np.array(protein.backbone[:, :3]), dtype=torch.float64)
    # C-beta constants are those of the corpus's README; structure's own agree to the last digits written there
    assert np.allclose(c_beta(backbone).numpy(), protein.c_beta, atol=2e-3)
    axes = frames(backbone)
    assert torch.allclose(axes @ axes.transpose(-1, -2), torch.eye(3, dtype=torch.float64), atol=1e-9)
    follows = torch.ones(76, dtype=torch.bool)
    follows[0] = False
    counts, exposure = surroundings(backbone)
    monkeypatch.setattr("plait.encoders.neighbourhood.geometry.RESIDUES_AT_ONCE", 31)  # in three blocks, the same
    assert all(torch.equal(*pair) for pair in zip((counts, exposure), surroundings(backbone), strict=True))
    node = node_geometry(backbone, follows, counts, exposure).numpy()
    angles = geometry.backbone_dihedrals(protein)  # phi, psi, omega of each residue, NaN where undefined
    for column in range(2):
        known = np.isfinite(angles[:, column])
        # coordinates are in float32 on one side
        assert np.allclose(node[known, 2 * column], np.sin(angles[known, column]), atol=1e-4), column
        assert np.allclose(node[known, 2 * column + 1], np.cos(angles[known, column]), atol=1e-4), column
    beta = c_beta(backbone).numpy()
    gaps = np.linalg.norm(beta[:, None] - beta, axis=-1)
    assert np.array_equal(counts.numpy()[:, 2], (gaps < 10).sum(1) - 1)
    index = torch.tensor([[row, (row + 9) % 76] for row in range(76)])
    pair = pair_geometry(backbone, index, 12).numpy()
    centres = np.linspace(2, 22, 12)
    away = np.linalg.norm(protein.c_alpha[20] - protein.c_alpha[29])
    expected = np.exp(-(((away - centres) / (20 / 11)) ** 2))
    assert np.allclose(pair[20, 1].reshape(-1)[(4 * 1 + 1) * 12 :][:12], expected, atol=1e-5)


def test_hidden_residues_do_not_show(encoder, protein):
    changed = protein.replace(residue_type=np.where(np.arange(76) == 10, 4, protein.residue_type).astype(np.int8))
    masks = [np.arange(76) == 10]
    with torch.no_grad():
        one, other = (encoder(encoder.prepare([p], masked=masks)).residue for p in (protein, changed))
        seen = encoder(encoder.prepare([changed])).residue
    assert torch.equal(one, other)
    assert not torch.allclose(seen, one)


def test_a_missing_residue_reaches_no_one_far_away(encoder, protein):
    """Two layers of seven neighbours: what has no path to the residue stays as it was, but for the protein's mean."""
    hole = protein.position.copy()
    hole[protein.residue_of == 0] = np.nan
    batch, without = encoder.prepare([protein]), encoder.prepare([protein.with_positions(hole)])
    unchanged = (batch.neighbour == without.neighbour).all(1)
    assert unchanged.sum() > 50
    assert not without.valid[0, 1:].any()
    assert not (without.neighbour[1:] == 0).any()


def test_heads_read_the_residues(encoder, protein):
    network = EncoderWithHeads(encoder, {"residue_type": 20, "profile": 20}).double()
    outputs = network(encoder.prepare([protein]))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "residue_type": (76, 20), "profile": (76, 20),
    }  # fmt: skip


def test_sizes_that_do_not_fit_are_refused():
    for wrong in ({"width": 30}, {"layers": 0}, {"distances": 1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            NeighbourhoodEncoder.Config(**wrong)


def test_structure_tokens_beside_the_geometry(protein):
    from plait.tokenizers.dssp import DSSPTokenizer

    torch.manual_seed(0)
    tokenizer = DSSPTokenizer(DSSPTokenizer.Config())
    config = NeighbourhoodEncoder.Config(width=16, edge_width=8, layers=1, heads=4).with_tokenizer("dssp", 8)
    encoder = NeighbourhoodEncoder(config).eval()
    encoder.tokenizer = tokenizer
    tokens = tokenizer(protein)
    with torch.no_grad():
        asked = encoder(encoder.prepare([protein])).residue
        given = encoder(encoder.prepare([protein], structure_tokens=[tokens])).residue
        other = encoder(encoder.prepare([protein], structure_tokens=[np.roll(tokens, 5)])).residue
    assert torch.equal(asked, given)
    assert not torch.allclose(other, given)


def test_cavities_are_read_where_they_are_asked_for(structures):
    protein = read_structure(structures / "4eiy.cif.gz")
    torch.manual_seed(0)
    encoder = NeighbourhoodEncoder(
        NeighbourhoodEncoder.Config(width=16, edge_width=8, layers=1, heads=2, cavities=True)
    ).eval()
    plain = NeighbourhoodEncoder(NeighbourhoodEncoder.Config(width=16, edge_width=8, layers=1, heads=2)).eval()
    bare = Protein.from_backbone(protein.sequence, protein.backbone, source="without side chains")
    outputs = [encoder(encoder.prepare([one])).residue for one in (protein, bare)]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    assert plain.prepare([protein]).lining is None
    both = encoder(encoder.prepare([bare, protein])).residue
    assert torch.allclose(both[len(bare) :], outputs[0], atol=1e-5)
    outputs[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.lining.parameters())


def test_remembered_cavities_are_those_of_the_structure(structures):
    protein = read_structure(structures / "1ubi.pdb")
    encoder = NeighbourhoodEncoder(
        NeighbourhoodEncoder.Config(width=16, edge_width=8, layers=1, heads=2, cavities=True)
    )
    first, again = (encoder.prepare([protein]).lining for _ in range(2))
    assert torch.equal(first, again)
    assert np.array_equal(first.numpy(), lining(protein))
    half = encoder.prepare([protein.select(np.arange(len(protein)) < 38)]).lining
    assert not torch.equal(half, first[:38])
