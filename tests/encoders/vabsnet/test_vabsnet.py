"""Vabs-Net in our form: what the oracle does not show."""

import dataclasses

import numpy as np
import pytest
import torch

from plait.encoders.vabsnet import VabsnetConfig, VabsnetEncoder, VabsnetForPretraining
from plait.encoders.vabsnet.attention import Links
from plait.encoders.vabsnet.features import bisector_frames, prepare
from plait.encoders.vabsnet.published import (
    ATOM_SLOTS,
    GLOBAL_ATOM,
    MASK,
    UNKNOWN_ATOM,
    atom_slots,
    from_published,
    our_name,
)  # fmt: skip
from plait.errors import InputError
from plait.structure import Protein, read_structure

TINY = {"layers": 2, "width": 16, "feed_forward": 32, "heads": 4, "edge_width": 8, "kernels": 8}


@pytest.fixture(scope="module")
def ubiquitin(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.mark.parametrize(
    ("options", "heads", "count"),
    [
        ({"language_width": 1280}, ("residue_type", "atom_position", "atom_accessibility", "torsion"), 92_408_411),
        ({"language_width": 1280}, ("sites",), 89_853_570),
        ({"language_width": 1280}, (), 89_259_904),
        ({}, ("residue_type", "atom_position", "atom_accessibility", "torsion"), 89_782_363),
        (
            {"language_width": 1280, "residue_only": True},
            ("residue_type", "atom_position", "atom_accessibility", "torsion"),
            49_086_619,
        ),
        (
            {"language_width": 1280, "absolute_directions": False},
            ("residue_type", "atom_position", "atom_accessibility", "torsion"),
            92_385_371,
        ),
    ],
)
def test_the_published_size(options, heads, count):
    """Numbers of the specification, section 0."""
    with torch.device("meta"):
        model = VabsnetForPretraining(VabsnetConfig(size="published", compat=True, **options), heads)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_sizes_and_switches():
    small, published = VabsnetConfig(), VabsnetConfig(compat=True)
    assert (small.layers, small.virtual_points, small.special_directions) == (4, 0, "frame")
    assert (published.layers, published.virtual_points, published.special_directions) == (4, 3, "axes")
    assert VabsnetConfig(**dataclasses.asdict(published)) == published
    assert VabsnetConfig(compat=True, absolute_directions=False).absolute_directions is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 48, "feed_forward": 100, "heads": 4}, "feed_forward of vabsnet is not a multiple of width"),
        ({"heads": 7}, "width of vabsnet is not a multiple of heads"),
        ({"size": "bse"}, "Did you mean 'base'"),
        ({"atom_neighbours": 0}, "atom_neighbours"),
        ({"kernels": 1}, "kernels"),
    ],
)
def test_bad_configurations(options, message):
    with pytest.raises(InputError, match=message):
        VabsnetConfig(**options)


def test_atom_slots():
    names = np.array(["CA", "OXT", "SE", "N", "", "ZZZZ"])
    assert atom_slots(names).tolist() == [1, 36, UNKNOWN_ATOM, 0, UNKNOWN_ATOM, UNKNOWN_ATOM]
    assert atom_slots(np.array(ATOM_SLOTS)).tolist() == list(range(37))


def test_frames_are_rotations_and_turn_with_the_residue(ubiquitin):
    frames = bisector_frames(ubiquitin.backbone)
    assert np.allclose(frames @ frames.transpose(0, 2, 1), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(frames), 1)
    assert (bisector_frames(np.full((2, 3, 3), np.nan)) == 0).all()


def test_neighbour_lists_are_the_nearest(ubiquitin):
    config = VabsnetConfig(**TINY, residue_neighbours=9, atom_neighbours=7)
    batch = prepare(config, [ubiquitin])
    for track, position, count in (
        (batch.residue, batch.position[batch.residue_nodes][:-1], 9),
        (batch.atom, batch.position[:-1], 7),
    ):
        distance = torch.cdist(position, position, compute_mode="donot_use_mm_for_euclid_dist")
        expected = distance.sort(1)[0][:, :count]
        assert (track.near[:, 0] == torch.arange(len(position))).all()
        assert (track.near[:, count] == len(position)).all()
        assert torch.allclose(distance.gather(1, track.near[:, :count]), expected, atol=2e-6)
        assert torch.equal(track.far, torch.arange(len(position)))
    assert (batch.atom_type[batch.global_rows] == GLOBAL_ATOM).all()


def test_the_same_lists_after_turning(ubiquitin):
    """Distances in a file of three decimals tie, and rounding would break ties by the pose."""
    grid = np.stack(np.meshgrid(*[np.arange(4) * 1.5] * 3), -1).reshape(-1, 3)
    count = len(grid)
    protein = Protein.from_backbone("A" * count, np.full((count, 4, 3), np.nan)).replace(
        position=grid, atom_name=np.full(count, "CA"), element=np.full(count, "C"), residue_of=np.arange(count)
    )
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    config = VabsnetConfig(**TINY, residue_neighbours=8, atom_neighbours=5)
    one, other = (prepare(config, [p]) for p in (protein, protein.replace(position=grid @ turn.T + 40)))
    assert torch.equal(one.atom.near, other.atom.near)
    assert torch.equal(one.residue.near, other.residue.near)


def test_each_node_of_a_track_stands_in_one_row(ubiquitin):
    batch = prepare(VabsnetConfig(**TINY, virtual_points=2), [ubiquitin, ubiquitin])
    links = Links(batch.residue)
    nodes = batch.residue.nodes
    rows = [part[0] for part in links.parts]
    assert torch.equal(torch.cat(rows).sort()[0], torch.arange(nodes))
    values = [index.double()[:, None] for index in rows]
    assert torch.equal(links.gather(values)[:, 0], torch.arange(nodes).double())
    # virtual points have no atom edges, and get zeros there
    atoms = Links(batch.atom)
    assert (atoms.outputs == sum(len(part[0]) for part in atoms.parts)).sum() == 4


def test_hidden_types_are_hidden(ubiquitin):
    masked = np.arange(len(ubiquitin)) == 5
    batch = prepare(VabsnetConfig(**TINY), [ubiquitin], masked=[masked])
    assert (batch.residue_type[batch.residue_rows[5]] == MASK).all()
    assert (batch.residue_type == MASK).sum() == (ubiquitin.residue_of == 5).sum()


def encode(encoder, *proteins, **inputs):
    with torch.no_grad():
        return encoder(encoder.prepare(list(proteins), **inputs))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return VabsnetEncoder(VabsnetConfig(**TINY)).eval()


def test_atoms_come_in_the_order_of_the_protein(encoder, ubiquitin):
    shuffled = np.random.default_rng(0).permutation(len(ubiquitin.position))
    shuffled = shuffled[np.argsort(ubiquitin.residue_of[shuffled], kind="stable")]
    fields = ("position", "atom_name", "element", "residue_of")
    other = ubiquitin.replace(**{name: getattr(ubiquitin, name)[shuffled] for name in fields})
    first, second = encode(encoder, ubiquitin), encode(encoder, other)
    assert first.atom.shape == (len(ubiquitin.position), 16)
    assert torch.allclose(first.atom[shuffled], second.atom, atol=1e-6)
    assert torch.allclose(first.residue, second.residue, atol=1e-6)
    alphas = np.flatnonzero(ubiquitin.atom_name == "CA")
    assert torch.equal(first.atom[alphas], first.residue)


def test_directions_see_handedness(encoder, ubiquitin):
    """Frames tell an L-protein from its mirror image, distances alone would not."""
    mirrored = ubiquitin.with_positions(np.asarray(ubiquitin.position, np.float64) * [1, 1, -1])
    difference = (encode(encoder, ubiquitin).residue - encode(encoder, mirrored).residue).abs().max()
    assert difference > 1e-3


def test_odd_structures(encoder, ubiquitin):
    """Without C-alphas, without any atom, all in one place, unknown names: finite, and a row for each residue."""
    names = np.where(ubiquitin.atom_name == "CA", "C1", ubiquitin.atom_name)
    no_alpha = ubiquitin.replace(atom_name=names)
    stacked = ubiquitin.with_positions(np.zeros_like(ubiquitin.position))
    bare = Protein.from_backbone("ACD", np.full((3, 4, 3), np.nan))
    part = ubiquitin.backbone.copy()
    part[10:13] = np.nan
    holes = Protein.from_backbone(ubiquitin.sequence, part)
    twice = ubiquitin.replace(atom_name=np.where(ubiquitin.atom_name == "O", "CA", ubiquitin.atom_name))
    residues = VabsnetEncoder(VabsnetConfig(**TINY, residue_only=True)).eval()
    for protein in (no_alpha, stacked, bare, holes, twice):
        for network in (encoder, residues):
            found = encode(network, protein)
            assert found.residue.shape == (len(protein), 16)
            levels = [found.residue, found.protein] + [found.atom] * (network is encoder)
            assert all(torch.isfinite(level).all() for level in levels)


def test_a_residue_without_atoms_is_on_its_own(encoder, ubiquitin):
    backbone = ubiquitin.backbone.copy()
    backbone[10] = np.nan
    one = Protein.from_backbone(ubiquitin.sequence, backbone)
    letters = ubiquitin.sequence
    other = Protein.from_backbone(letters[:10] + "W" + letters[11:], backbone)
    difference = (encode(encoder, one).residue - encode(encoder, other).residue).abs().amax(1)
    assert difference[10] > 1e-4
    assert (difference[np.arange(76) != 10] == 0).all()


@pytest.mark.parametrize("options", [{"virtual_points": 3}, {"residue_only": True}, {"norm": "pre"}])
def test_variants_are_invariant_too(ubiquitin, options):
    torch.manual_seed(0)
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, **options)).double().eval()
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    turn *= np.linalg.det(turn)
    moved = ubiquitin.replace(position=ubiquitin.position.astype(np.float64) @ turn.T + [10, -20, 30])
    assert (encode(encoder, ubiquitin).residue - encode(encoder, moved).residue).abs().max() < 1e-9


def test_displacements_turn_with_the_structure(ubiquitin):
    torch.manual_seed(0)
    encoder = VabsnetEncoder(VabsnetConfig(**TINY)).double().eval()
    head = encoder.make_readout({"atom_position": 3}).double()
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    turn *= np.linalg.det(turn)
    position = ubiquitin.position.astype(np.float64)
    poses = [ubiquitin.replace(position=pose) for pose in (position, position @ turn.T - 30)]
    first, second = (head(encode(encoder, pose))["atom_position"] for pose in poses)
    assert first.abs().max() > 1e-3
    assert torch.allclose(first @ torch.from_numpy(turn).T, second, atol=1e-10)


def test_compat_is_not_invariant(ubiquitin):
    """The published absolute directions are why the default is another (specification, section 10)."""
    torch.manual_seed(0)
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, compat=True)).double().eval()
    for parameter in encoder.parameters():  # the published initial weights close every branch
        torch.nn.init.normal_(parameter, std=0.5)
    turned = ubiquitin.replace(position=ubiquitin.position.astype(np.float64)[:, [1, 2, 0]])
    assert (encode(encoder, ubiquitin).residue - encode(encoder, turned).residue).abs().max() > 1e-3


def test_checkpointing_changes_no_gradient(ubiquitin):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        encoder = VabsnetEncoder(VabsnetConfig(**TINY, checkpointing=checkpointing)).train()
        torch.manual_seed(1)
        encoder(encoder.prepare([ubiquitin])).residue.square().sum().backward()
        gradients.append([parameter.grad for parameter in encoder.parameters()])
    for one, other in zip(*gradients, strict=True):
        # the recomputation draws the same dropout; sums in float32 may go in another order
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_half_precision_is_near(encoder, ubiquitin):
    """1 to 2 % of the vectors' own size (docs/results/vabsnet.md)."""
    batch = encoder.prepare([ubiquitin])
    torch.manual_seed(0)
    half = VabsnetEncoder(VabsnetConfig(**TINY)).eval().bfloat16()
    with torch.no_grad():
        single, rough = encoder(batch).residue, half(batch).residue
    assert rough.dtype == torch.bfloat16
    assert 0 < (rough.float() - single).norm() < 0.03 * single.norm()


def test_language_features(ubiquitin):
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, language_width=5)).eval()
    rows = np.random.default_rng(0).standard_normal((77, 5))
    whole = encode(encoder, ubiquitin, language=[rows])
    without = encode(encoder, ubiquitin, language=[rows[:76]])
    assert (whole.protein - without.protein).abs().max() > 1e-5
    for wrong, message in ((rows[:70], "do not fit"), (None, "missing")):
        with pytest.raises(InputError, match=message):
            encode(encoder, ubiquitin, language=None if wrong is None else [wrong])


def test_compat_refuses_short_chains(ubiquitin):
    encoder = VabsnetEncoder(VabsnetConfig(**TINY, compat=True))
    with pytest.raises(InputError, match="too short"):
        encoder.prepare([ubiquitin.select(np.arange(76) < 4)])


def test_published_names():
    assert our_name("molecule_encoder.layers.3.aa_attn.linear_o.bias") == "encoder.layers.3.atom.attention.output.bias"
    assert our_name("atom_pos_head.force_proj3.weight") == "heads.atom_position.force.2.weight"
    assert our_name("atom_pos_head.linear_bias.bias") == "heads.atom_position.bias.bias"
    assert our_name("something.else") == "something.else"
    centres = {"rr_se3_invariant_kernel.gaussian.mean": torch.linspace(0, 9, 16)}
    assert from_published(centres) == {}
    with pytest.raises(InputError, match="evenly"):
        from_published({name: value * 2 for name, value in centres.items()})
