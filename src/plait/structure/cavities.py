"""Cavities by geometry alone: grid points outside the protein that have protein on both sides in many directions.

The method of LIGSITE. Hendlich M, Rippmann F, Barnickel G (1997). LIGSITE: automatic and efficient detection of
potential small molecule-binding sites in proteins. Journal of Molecular Graphics and Modelling 15:359-363.
"""

import dataclasses
import itertools

import numpy as np

from plait.errors import InputError
from plait.structure.neighbours import linked
from plait.structure.protein import Protein

_HALF = [d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0) and sum(map(abs, d)) != 2]
DIRECTIONS = len(_HALF)
"""Lines through a point that are looked along: three along the axes and four along the diagonals of the cube."""

MOST_POINTS = 50_000_000


@dataclasses.dataclass(frozen=True)
class Cavity:
    """Grid points in cavities.

    Attributes
    ----------
    position : float64 [P, 3], angstrom
    enclosed : int64 [P]
        Of the `DIRECTIONS` lines through the point, those that meet protein on both sides.
    volume : float
        Cubic angstrom that a point stands for.
    """

    position: np.ndarray
    enclosed: np.ndarray
    volume: float


def cavity_points(
    protein: Protein,
    *,
    least: int = 6,
    clearance: float = 2.6,
    body: float = 1.8,
    reach: float = 9.0,
    spacing: float = 1.0,
) -> Cavity:
    """The grid points of a protein's cavities.

    Parameters
    ----------
    least : int
        Lines that must meet protein on both sides.
    clearance : float, angstrom
        Smallest distance from a heavy atom.
    body : float, angstrom
        A line meets protein where an atom is within this distance.
    reach : float, angstrom
        How far along a line protein is looked for, each way.
    spacing : float, angstrom
        Of the grid, whose axes are those of the file: a turned protein has other points.

    Raises
    ------
    InputError
        If the grid had more than `MOST_POINTS` points. Parts of a structure that are far apart have a grid each.
    """
    position = protein.position.astype(np.float64)
    grid = (least, clearance, body, reach, spacing)
    places, enclosed = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for own in _islands(position, reach, body, spacing):
        shape = _box(position[own], reach, spacing)[1]
        if shape.astype(float).prod() > MOST_POINTS:
            raise InputError(
                "structure too wide for a grid",
                file=protein.source or None,
                got=" x ".join(f"{one * spacing:.0f}" for one in shape) + " angstrom",
                expected=f"at most {MOST_POINTS:,} points",
                do="Name one chain.",
            )
        found = _points(position[own], *grid)
        places.append(found[0])
        enclosed.append(found[1])
    return Cavity(np.concatenate(places), np.concatenate(enclosed), spacing**3)


def _islands(position: np.ndarray, reach: float, body: float, spacing: float) -> list[np.ndarray]:
    """The atoms, int64 each, of parts so far apart that no line meets two of them; one part where one grid will do."""
    if not len(position):
        return []
    if _box(position, reach, spacing)[1].astype(float).prod() <= MOST_POINTS:
        return [np.arange(len(position))]
    cells, place = np.unique(np.floor(position / (2 * (reach + body))).astype(np.int64), axis=0, return_inverse=True)
    # cells that touch, also at a corner, are at most the root of 3 apart, others at least 2
    island = linked(cells.astype(np.float64), 1.75)[place.ravel()]
    return [np.flatnonzero(island == number) for number in range(island.max() + 1)]


def _box(position: np.ndarray, reach: float, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """First point and shape, int64 [3], of a grid about some atoms."""
    steps = int(np.ceil(reach / spacing))  # empty margin, so that what is rolled over an edge is empty
    low = np.floor(position.min(0) / spacing).astype(np.int64) - steps
    return low, np.ceil(position.max(0) / spacing).astype(np.int64) + steps + 1 - low


def _points(position, least, clearance, body, reach, spacing) -> tuple[np.ndarray, np.ndarray]:
    low, shape = _box(position, reach, spacing)
    filled = _within(position, low, shape, body, spacing)
    count = np.zeros(shape, np.int8)
    for direction in _HALF:
        vector = np.array(direction)
        far = int(reach / (spacing * np.linalg.norm(vector)))
        count += _met(filled, vector, far) & _met(filled, -vector, far)
    free = ~_within(position, low, shape, clearance, spacing)
    places = np.argwhere(free & (count >= least))
    return (places + low) * spacing, count[tuple(places.T)].astype(np.int64)


def _met(filled: np.ndarray, step: np.ndarray, far: int) -> np.ndarray:
    """Whether one of the next `far` points along a direction is filled."""
    met = np.zeros_like(filled)
    for number in range(1, far + 1):
        met |= np.roll(filled, tuple(-number * step), axis=(0, 1, 2))
    return met


def _within(position: np.ndarray, low: np.ndarray, shape: np.ndarray, radius: float, spacing: float) -> np.ndarray:
    """Which grid points are within `radius` of an atom: bool [shape]."""
    cells = int(np.ceil(radius / spacing))
    offsets = np.array(list(itertools.product(range(-cells, cells + 1), repeat=3)))
    base = np.rint(position / spacing).astype(np.int64)
    filled = np.zeros(shape, bool)
    for offset in offsets:
        place = base + offset
        near = ((place * spacing - position) ** 2).sum(1) <= radius**2
        filled[tuple((place[near] - low).T)] = True
    return filled
