"""What the cavities of a structure look like from each residue that lines them: numbers for a network to read.

The cavities are those of `plait.structure.cavities`, on a grid along the principal axes of the atoms, so that a turned
structure has the same ones, but for points at the very brink of a distance.
"""

import dataclasses

import numpy as np

from plait.structure.cavities import DIRECTIONS, Cavity, cavity_points
from plait.structure.neighbours import linked, within_radius
from plait.structure.protein import Protein

LEAST = 4
CLEARANCE = 3.3
"""Settings of the cavities: lines that must meet protein on both sides, and distance from every atom (angstrom)."""

TOUCH = 4.5
NEAR = 8.0
"""A point touches a residue, or is near it, if a heavy atom is at most so far away (angstrom)."""

LINK = 1.8
"""Points at most so far apart are of one cavity (angstrom)."""

FEATURES = 8
"""Numbers of each residue that `lining` gives."""


def principal_cavities(protein: Protein, least: int = LEAST) -> Cavity:
    """The points of cavities, in the coordinates of the file, on a grid along the principal axes of the atoms.

    `least`: see `plait.structure.cavities.cavity_points`.
    """
    position = protein.position.astype(np.float64)
    if len(position) < 4:
        return cavity_points(protein, least=least, clearance=CLEARANCE)
    centre = position.mean(0)
    axes = _principal_axes(position - centre)
    turned = protein.with_positions((position - centre) @ axes.T)
    found = cavity_points(turned, least=least, clearance=CLEARANCE)
    return dataclasses.replace(found, position=found.position @ axes + centre)


def point_pairs(protein: Protein, points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Each pair of a point and a residue that is at most so far away, once."""
    pairs = within_radius(points, radius, protein.position)
    keys = np.unique(pairs[:, 0] * len(protein) + protein.residue_of[pairs[:, 1]])
    return keys // len(protein), keys % len(protein)


def lining(protein: Protein) -> np.ndarray:
    """What lies before each residue: float32 [R, FEATURES], about 0 to 1 each, all 0 where no cavity is near.

    Of the cavity points that touch it: logarithm of their number; their number, each weighted by its cavity's size over
    the largest one's, as v / (v + 2.7); the most and the mean share of lines that meet protein on both sides; logarithm
    of the size of the largest of their cavities; that size over the largest one's. Of the points near it: logarithm of
    their number; their weighted number v / (v + 20).
    """
    cavity = principal_cavities(protein)
    count = len(protein)
    found = np.zeros((count, FEATURES), np.float32)
    if not len(cavity.position):
        return found
    cluster = linked(cavity.position, LINK)
    size = np.bincount(cluster, cavity.enclosed / DIRECTIONS)[cluster] * cavity.volume
    share = size / size.max()
    enclosed = cavity.enclosed / DIRECTIONS
    point, residue = point_pairs(protein, cavity.position, TOUCH)
    touching = np.bincount(residue, minlength=count)
    weighted = np.bincount(residue, share[point], count)
    found[:, 0] = np.log1p(touching) / 4
    found[:, 1] = weighted / (weighted + 2.7)
    found[:, 2] = _largest(residue, enclosed[point], count)
    found[:, 3] = np.bincount(residue, enclosed[point], count) / np.maximum(touching, 1)
    found[:, 4] = np.log1p(_largest(residue, size[point], count)) / 7
    found[:, 5] = _largest(residue, share[point], count)
    point, residue = point_pairs(protein, cavity.position, NEAR)
    weighted = np.bincount(residue, share[point], count)
    found[:, 6] = np.log1p(np.bincount(residue, minlength=count)) / 6
    found[:, 7] = weighted / (weighted + 20)
    return found


def _largest(residue: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    largest = np.zeros(count)
    np.maximum.at(largest, residue, value)
    return largest


def _principal_axes(position: np.ndarray) -> np.ndarray:
    """Rows are axes of decreasing spread, each towards the side of positive third moment, the last by the right hand's
    rule: [3, 3]."""
    _, vectors = np.linalg.eigh(position.T @ position)
    axes = vectors.T[::-1].copy()
    moments = ((position @ axes.T) ** 3).sum(0)
    axes *= np.where(moments < 0, -1.0, 1.0)[:, None]
    axes[2] = np.cross(axes[0], axes[1])
    return axes
