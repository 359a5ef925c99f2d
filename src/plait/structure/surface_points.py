"""Points on the surface of a structure that a probe's centre can reach, each with the residue that it belongs to."""

import dataclasses

import numpy as np

from plait.structure.neighbours import within_radius
from plait.structure.protein import Protein
from plait.structure.surface import OTHER_RADIUS, RADII

PROBE = 1.6
"""Radius of the probe in angstrom, that of P2Rank's points."""

_ATOMS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class SurfacePoints:
    """Points on the accessible surface.

    Attributes
    ----------
    position : float64 [P, 3], angstrom
    residue : int64 [P]
        The residue whose atom the point is on.
    area : float64 [P], square angstrom
        How much of the surface the point stands for.
    """

    position: np.ndarray
    residue: np.ndarray
    area: np.ndarray


def surface_points(protein: Protein, residues: np.ndarray, probe: float = PROBE, count: int = 92) -> SurfacePoints:
    """Where the centre of a probe can be that touches some residues: Shrake & Rupley's points, heavy atoms only.

    Parameters
    ----------
    protein : Protein
        All its atoms are in the probe's way; ligands and waters are not.
    residues : bool [R]
        Residues on whose atoms points are wanted.
    probe : float, angstrom
    count : int
        Points on the sphere of each atom, before those within other atoms' spheres are taken out. With 92 they are
        about 1.3 angstrom apart. They do not turn with the protein.
    """
    radius = np.full(len(protein.position), OTHER_RADIUS)
    for element, value in RADII.items():
        radius[protein.element == element] = value
    radius = radius + probe
    position = protein.position.astype(np.float64)
    chosen = np.flatnonzero(residues[protein.residue_of])
    sphere = _sphere(count)  # (count, 3)
    found, owner = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for start in range(0, len(chosen), _ATOMS_AT_ONCE):
        atoms = chosen[start : start + _ATOMS_AT_ONCE]
        covered = _covered(atoms, position, radius, sphere)  # (n, count)
        points = position[atoms, None] + radius[atoms, None, None] * sphere  # (n, count, 3)
        found.append(points[~covered])
        owner.append(np.broadcast_to(atoms[:, None], covered.shape)[~covered])
    atom = np.concatenate(owner)
    return SurfacePoints(
        np.concatenate(found), protein.residue_of[atom].astype(np.int64), 4 * np.pi * radius[atom] ** 2 / count
    )


def _covered(atoms: np.ndarray, position: np.ndarray, radius: np.ndarray, sphere: np.ndarray) -> np.ndarray:
    """Which points of the spheres of some atoms [n] are within another atom's: bool [n, count]."""
    covered = np.zeros((len(atoms), len(sphere)), bool)
    pairs = within_radius(position[atoms], 2 * radius.max(), position)
    own, other = pairs[:, 0], pairs[:, 1]
    apart = position[atoms[own]] - position[other]
    squares = (apart**2).sum(1)
    mine, its = radius[atoms[own]], radius[other]
    near = (atoms[own] != other) & (squares < (mine + its) ** 2)
    own, apart, squares, mine, its = (array[near] for array in (own, apart, squares, mine, its))
    if not len(own):
        return covered
    # |apart + mine * s|^2 < its^2 for a point s of the unit sphere; two atoms in one place do not cover each other
    limit = ((its - 1e-6) ** 2 - squares - mine**2) / (2 * mine)
    starts = np.flatnonzero(np.diff(own, prepend=-1))
    covered[own[starts]] = np.logical_or.reduceat(apart @ sphere.T < limit[:, None], starts, axis=0)
    return covered


def _sphere(count: int) -> np.ndarray:
    """Points at even distances on the unit sphere, along a spiral: [count, 3]."""
    height = 1 - (2 * np.arange(count) + 1) / count
    turn = np.pi * (3 - 5**0.5) * np.arange(count)
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)
