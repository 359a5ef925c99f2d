"""From points that are likely in a binding site to ranked pockets with centres and residues."""

import dataclasses

import numpy as np

from plait.structure.cavities import DIRECTIONS
from plait.structure.lining import TOUCH, point_pairs, principal_cavities
from plait.structure.neighbours import linked, within_radius
from plait.structure.protein import Protein
from plait.structure.surface_points import surface_points

LINING = 6.0
"""Residues within this distance of a cavity's point say how likely the point is (angstrom)."""

LEAST = 3
"""Lines through a point that must meet protein on both sides: shallower places count too than in a network's input."""

MOST = 20
"""Pockets of a structure, at most."""

SHIFTS = 3
"""How often a pocket's sphere moves to the mean of its points."""


@dataclasses.dataclass(frozen=True)
class SitePoints:
    """Points in space where a ligand may be.

    Attributes
    ----------
    position : float64 [P, 3], angstrom
    weight : float64 [P]
        How likely, from 0 to 1.
    size : float64 [P]
        Surface or volume that a point stands for (square or cubic angstrom).
    touching : int64 [E, 2]
        Pairs of a point and a residue that it touches.
    """

    position: np.ndarray
    weight: np.ndarray
    size: np.ndarray
    touching: np.ndarray


@dataclasses.dataclass(frozen=True)
class Pocket:
    """A predicted binding site.

    Attributes
    ----------
    rank : int
        From 1, by score.
    score : float
        Sum over its points of their size times the square of their weight.
    centre : float64 [3]
        Mean of its points by weight and size, in angstrom, in the coordinates of the file.
    residues : int64 [n], ascending
    """

    rank: int
    score: float
    centre: np.ndarray
    residues: np.ndarray


def points_of_residues(protein: Protein, probability: np.ndarray, threshold: float) -> SitePoints:
    """Points on the accessible surface of the residues of at least this probability, each with its residue's."""
    chosen = np.nan_to_num(np.asarray(probability, np.float64)) >= threshold
    points = surface_points(protein, chosen)
    touching = np.stack([np.arange(len(points.residue)), points.residue], axis=1)
    return SitePoints(points.position, np.asarray(probability, np.float64)[points.residue], points.area, touching)


def points_of_cavities(protein: Protein, probability: np.ndarray) -> SitePoints:
    """Points in the cavities of the structure, each with the mean probability of the residues near it.

    Residues are near a point with a heavy atom within `LINING` of it. A residue without a probability counts as 0.
    """
    cavity = principal_cavities(protein, least=LEAST)
    known = np.nan_to_num(np.asarray(probability, np.float64))
    point, residue = point_pairs(protein, cavity.position, LINING)
    count = len(cavity.position)
    weight = np.bincount(point, known[residue], count) / np.maximum(np.bincount(point, minlength=count), 1)
    touching = np.stack(point_pairs(protein, cavity.position, TOUCH), axis=1)
    return SitePoints(cavity.position, weight, cavity.volume * cavity.enclosed / DIRECTIONS, touching)


def densest_pockets(points: SitePoints, *, radius: float, fewest: int, most: int = MOST) -> tuple[Pocket, ...]:
    """Spheres of likely points, best first: where the points within `radius` weigh most, then where those do that are
    left, until none are left or there are `most`.

    Parameters
    ----------
    points : SitePoints
    radius : float, angstrom
        About the size of a ligand: larger cavities are several pockets.
    fewest : int
        Pockets that touch fewer residues are dropped.
    """
    from scipy.sparse import coo_array, eye_array

    mass = points.size * points.weight**2
    count = len(mass)
    pairs = within_radius(points.position, radius)
    near = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count)).tocsr() + eye_array(count)

    def around(centre):
        return left & (np.linalg.norm(points.position - centre, axis=1) <= radius)

    left, found = mass > 0, []
    while left.any() and len(found) < most:
        dense = np.where(left, near @ (mass * left), -1.0)
        taken = around(points.position[int(dense.argmax())])
        for _ in range(SHIFTS):
            centre = (points.position[taken] * mass[taken, None]).sum(0) / mass[taken].sum()
            moved = around(centre)
            taken = moved if moved.any() else taken
        left &= ~taken
        centre = (points.position[taken] * mass[taken, None]).sum(0) / mass[taken].sum()
        residues = np.unique(points.touching[taken[points.touching[:, 0]], 1])
        if len(residues) >= fewest:
            found.append(Pocket(0, float(mass[taken].sum()), centre, residues))
    found.sort(key=lambda pocket: (-pocket.score, pocket.residues[0]))
    return tuple(dataclasses.replace(pocket, rank=rank) for rank, pocket in enumerate(found, 1))


def likely(points: SitePoints, threshold: float) -> SitePoints:
    """The points of at least this weight."""
    kept = points.weight >= threshold
    number = np.cumsum(kept) - 1
    touching = points.touching[kept[points.touching[:, 0]]]
    touching = np.stack([number[touching[:, 0]], touching[:, 1]], axis=1)
    return SitePoints(points.position[kept], points.weight[kept], points.size[kept], touching)


def ranked_pockets(points: SitePoints, *, link: float, fewest: int) -> tuple[Pocket, ...]:
    """Clusters of points, best first.

    Parameters
    ----------
    points : SitePoints
    link : float, angstrom
        Points at most so far apart are of one pocket (single linkage).
    fewest : int
        Pockets that touch fewer residues are dropped.

    Notes
    -----
    After P2Rank (specs/vabsnet.md, section 8), which does the same with points scored by their own surroundings.
    """
    cluster = linked(points.position, link)
    mass = points.weight * points.size
    found = []
    for number in range(cluster.max(initial=-1) + 1):
        own = cluster == number
        residues = np.unique(points.touching[own[points.touching[:, 0]], 1])
        if len(residues) < fewest or not mass[own].sum() > 0:
            continue
        centre = (points.position[own] * mass[own, None]).sum(0) / mass[own].sum()
        found.append(Pocket(0, float((points.weight[own] * mass[own]).sum()), centre, residues))
    found.sort(key=lambda pocket: (-pocket.score, pocket.residues[0]))
    return tuple(dataclasses.replace(pocket, rank=rank) for rank, pocket in enumerate(found, 1))
