"""Angles, frames, placed atoms and superposition, against gemmi and against what must hold."""

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.structure import read_structure
from plait.structure.geometry import (
    backbone_dihedrals,
    chain_breaks,
    dihedral,
    ideal_oxygen,
    local_frames,
    place_atom,
    random_rotation,
    side_chain_dihedrals,
    superposition,
)


def test_dihedrals_equal_gemmi(structures):
    path = structures / "1ubi.pdb"
    protein, chain = read_structure(path), gemmi.read_structure(str(path))[0]["A"].get_polymer()
    ours = backbone_dihedrals(protein)
    for index in range(1, len(protein) - 1):
        before, residue, after = chain[index - 1], chain[index], chain[index + 1]
        phi, psi = gemmi.calculate_phi_psi(before, residue, after)
        omega = gemmi.calculate_omega(before, residue)
        # Coordinates are float32 here and float64 there: 1e-5 radians.
        assert np.abs(np.angle(np.exp(1j * (ours[index] - [phi, psi, omega])))).max() < 1e-5
    assert np.isnan(ours[0, [0, 2]]).all() and np.isnan(ours[-1, 1])
    assert np.isfinite(ours[1:-1]).all()


def test_side_chain_dihedrals(structures):
    protein = read_structure(structures / "1ubi.pdb")
    chi = side_chain_dihedrals(protein)
    chain = gemmi.read_structure(str(structures / "1ubi.pdb"))[0]["A"].get_polymer()
    lysine = chain[47]  # K48
    atoms = [lysine[name][0].pos for name in ("N", "CA", "CB", "CG", "CD", "CE", "NZ")]
    for number in range(4):
        assert chi[47, number] == pytest.approx(gemmi.calculate_dihedral(*atoms[number : number + 4]), abs=1e-5)
    counts = np.isfinite(chi).sum(1)
    by_letter = dict(zip(protein.sequence, counts.tolist()))
    assert (by_letter["G"], by_letter["A"], by_letter["S"], by_letter["E"], by_letter["R"]) == (0, 0, 1, 3, 4)


def test_dihedrals_stop_at_breaks(structures):
    protein = read_structure(structures / "1acj.pdb.gz")
    (index,) = np.flatnonzero(chain_breaks(protein))[1:]
    angles = backbone_dihedrals(protein)
    assert np.isnan(angles[index, [0, 2]]).all() and np.isnan(angles[index - 1, 1])
    assert np.isfinite(angles[index, 1]) and np.isfinite(angles[index - 1, [0, 2]]).all()


def test_breaks_where_nothing_can_be_measured(structures):
    protein = read_structure(structures / "bad" / "some_ca_missing.pdb")
    assert chain_breaks(protein).sum() == 1, "C-N still tells"
    gone = protein.select(np.arange(76) != 30)
    assert np.flatnonzero(chain_breaks(gone)).tolist() == [0, 30]


def test_ideal_oxygens_are_near_the_observed(structures):
    protein = read_structure(structures / "1xdn.pdb.gz")  # 1.2 angstrom
    ideal, observed = ideal_oxygen(protein), protein.backbone[:, 3]
    distance = np.linalg.norm(ideal - observed, axis=1)
    assert np.isnan(distance[-1]) and np.isfinite(distance[:-1]).all()
    # Bond angles vary by about 2 degrees, which is 0.04 angstrom at 1.23.
    assert np.median(distance[:-1]) < 0.05 and distance[:-1].max() < 0.2


def test_frames_are_right_handed_and_turn_with_the_protein(structures):
    protein = read_structure(structures / "1ubi.pdb")
    backbone = protein.backbone.astype(np.float64)
    rotation, origin = local_frames(backbone)
    assert np.allclose(rotation.transpose(0, 2, 1) @ rotation, np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(rotation), 1)
    assert np.allclose(origin, backbone[:, 1])
    local = np.einsum("lij,laj->lai", rotation.transpose(0, 2, 1), backbone - origin[:, None])
    assert np.allclose(local[:, 2, 1:], 0, atol=1e-12), "C on the first axis"
    assert np.allclose(local[:, 0, 2], 0, atol=1e-12) and (local[:, 0, 1] > 0).all(), "N in the plane, upwards"
    turn = random_rotation(np.random.default_rng(1))
    turned, _ = local_frames(backbone @ turn.T + 5)
    assert np.allclose(turned, turn @ rotation, atol=1e-12)


def test_frames_without_backbone_are_absent(structures):
    protein = read_structure(structures / "bad" / "some_ca_missing.pdb")
    rotation, origin = local_frames(protein.backbone)
    assert (np.isnan(rotation).all((1, 2)) == ~protein.has_backbone).all()
    assert (np.isnan(origin).all(1) == ~protein.has_backbone).all()


def test_random_rotations_are_uniform():
    generator = np.random.default_rng(3)
    rotations = np.stack([random_rotation(generator) for _ in range(4000)])
    assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(rotations), 1)
    # Each entry has mean 0 and variance 1/3; four standard errors of 4,000 draws.
    assert np.abs(rotations.mean(0)).max() < 4 * np.sqrt(1 / 3 / 4000)
    assert np.abs((rotations**2).mean(0) - 1 / 3).max() < 4 * np.sqrt(0.09 / 4000)
    # The trace of a uniform rotation has mean 0 (an axis-angle draw with uniform angle would have 1).
    assert abs(np.trace(rotations, axis1=1, axis2=2).mean()) < 4 / np.sqrt(4000)
    same = random_rotation(np.random.default_rng(3))
    assert np.array_equal(same, rotations[0])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0, 2), count=st.integers(3, 60))
def test_superposition_is_the_best(seed, noise, count):
    generator = np.random.default_rng(seed)
    target = generator.normal(size=(count, 3)) * 10
    turn, shift = random_rotation(generator), generator.normal(size=3) * 20
    mobile = (target - shift) @ turn + noise * generator.normal(size=(count, 3))
    rotation, translation, rmsd = superposition(mobile, target)
    assert np.linalg.det(rotation) == pytest.approx(1)
    moved = mobile @ rotation.T + translation
    assert rmsd == pytest.approx(np.sqrt(((moved - target) ** 2).sum(1).mean()), abs=1e-9)
    if noise == 0:
        assert rmsd < 1e-8
    generated = gemmi.superpose_positions(
        [gemmi.Position(*row) for row in target], [gemmi.Position(*row) for row in mobile]
    )
    assert rmsd == pytest.approx(generated.rmsd, abs=1e-5), "gemmi's own error is the root of 1e-12"


def test_superposition_skips_absent_points_and_mirrors(structures):
    xyz = read_structure(structures / "1ubi.pdb").c_alpha.astype(np.float64)
    holes = xyz.copy()
    holes[5:9] = np.nan
    rotation, translation, rmsd = superposition(holes, xyz + 3)
    assert rmsd < 1e-9 and np.allclose(rotation, np.eye(3)) and np.allclose(translation, 3)
    rotation, _, rmsd = superposition(xyz * [1, 1, -1], xyz)
    assert np.linalg.det(rotation) == pytest.approx(1) and rmsd > 1, "a mirror image is not a rotation"
    with pytest.raises(ValueError):
        superposition(np.full((3, 3), np.nan), xyz[:3])


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.floats(0.5, 3),
    angle=st.floats(0.3, 2.8),
    torsion=st.floats(-3.1, 3.1),
)
def test_placed_atoms_have_what_was_asked(seed, length, angle, torsion):
    a, b, c = np.random.default_rng(seed).normal(size=(3, 3)) * 3
    d = place_atom(a, b, c, length, angle, torsion)
    assert np.linalg.norm(d - c) == pytest.approx(length)
    cosine = (b - c) @ (d - c) / np.linalg.norm(b - c) / length
    assert np.arccos(cosine) == pytest.approx(angle, abs=1e-6)
    assert dihedral(a, b, c, d) == pytest.approx(torsion, abs=1e-6)
    assert gemmi.calculate_dihedral(*(gemmi.Position(*p) for p in (a, b, c, d))) == pytest.approx(torsion, abs=1e-6)
