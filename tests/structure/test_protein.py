"""The precision of a protein's coordinates and of what is seen through it."""

import numpy as np
import pytest

from plait.structure import read_structure
from plait.structure.geometry import backbone_dihedrals, local_frames, random_rotation, side_chain_dihedrals
from plait.structure.neighbours import nearest, within_radius
from plait.structure.secondary import secondary_structure
from plait.structure.surface import burial, relative_accessibility


@pytest.fixture(scope="module")
def protein(structures):
    return read_structure(structures / "1ubi.pdb")


@pytest.fixture(scope="module")
def moved(protein):
    """The same protein in float64, turned and moved."""
    turn = random_rotation(np.random.default_rng(5))
    return protein.with_positions(protein.position.astype(np.float64) @ turn.T + [20.0, -30.0, 10.0])


@pytest.mark.parametrize(
    ("given", "kept"), [("f8", "f8"), ("f4", "f4"), ("f2", "f4"), ("i8", "f4")], ids=lambda name: name
)
def test_float64_is_kept_and_all_else_is_float32(protein, given, kept):
    moved = protein.with_positions(protein.position.astype(given))
    for array in (moved.position, moved.backbone, moved.c_alpha, moved.c_beta, moved.atom("CA")):
        assert array.dtype == np.dtype(kept)
        assert not array.flags.writeable
    half = moved.select(np.arange(len(moved)) < 40)
    assert half.position.dtype == half.backbone.dtype == np.dtype(kept)


def test_files_give_float32(protein):
    assert protein.position.dtype == protein.backbone.dtype == protein.c_beta.dtype == np.float32


def test_what_is_measured_in_float64_does_not_turn_with_the_protein(protein, moved):
    """The still one is widened first, so that both hold the same geometry: 1e-9 is ten thousand times the rounding
    of float64 at 50 angstrom, and ten thousand times less than that of float32."""
    still = protein.with_positions(protein.position.astype(np.float64))
    for view in ("c_alpha", "c_beta"):
        before, after = (nearest(getattr(one, view), 12) for one in (still, moved))
        assert np.array_equal(before[0], after[0])
        assert np.abs(before[1] - after[1]).max() < 1e-9
    assert np.array_equal(within_radius(still.position, 6.0), within_radius(moved.position, 6.0))
    for angles in (backbone_dihedrals, side_chain_dihedrals):
        difference = np.angle(np.exp(1j * (angles(still) - angles(moved))))
        assert np.nanmax(np.abs(difference)) < 1e-9
    local = []
    for one in (still, moved):
        rotation, origin = local_frames(one.backbone)
        local.append(np.einsum("lji,laj->lai", rotation, one.backbone - origin[:, None]))
    assert np.abs(local[0] - local[1]).max() < 1e-9


def test_what_takes_float32_takes_float64_too(protein, moved):
    assert np.array_equal(secondary_structure(protein), secondary_structure(moved))
    assert np.array_equal(burial(protein), burial(moved))
    # The points of each sphere do not turn with the protein: 0.01 a value on average (see relative_accessibility).
    assert np.abs(relative_accessibility(protein) - relative_accessibility(moved)).mean() < 0.02
