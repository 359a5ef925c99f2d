"""Accessible areas by slices, as the published labels have them."""

import numpy as np

from plait.structure.neighbours import within_radius
from plait.structure.protein import Protein

RADII = {"N": 1.6, "C": 1.7, "O": 1.4, "S": 1.8}
"""In angstrom, by the first letter of the atom's name."""

OTHER_RADIUS = 1.8
PROBE = 1.4
SLICES = 20


def sliced_area(protein: Protein) -> np.ndarray:
    """Accessible area of each atom in square angstrom: float64 [A].

    Lee & Richards (1971), J Mol Biol 55:379: each atom's sphere, widened by the probe, is cut into 20 slices along z,
    and the arcs of each circle outside all other spheres add up. It changes a little as the structure turns.
    """
    position = np.asarray(protein.position, np.float64)
    radius = np.array([RADII.get(name[:1], OTHER_RADIUS) for name in protein.atom_name.tolist()]) + PROBE
    height = 2 * radius / SLICES
    exposed = np.full((len(position), SLICES), 2 * np.pi)
    if len(position) > 1:
        pairs = within_radius(position, 2 * radius.max())
        first, second = pairs.T
        apart = position[second] - position[first]
        touching = (apart**2).sum(1) < (radius[first] + radius[second]) ** 2
        _cover(exposed, first[touching], radius[second[touching]], apart[touching], radius)
    return (exposed * (height * radius)[:, None]).sum(1)


def _cover(exposed, first, other_radius, apart, radius) -> None:
    """Take from the circles of all slices [A, SLICES] what lies in others' spheres."""
    level = (2 * np.arange(SLICES) + 1) / SLICES - 1  # middle of each slice, in radii
    own = (radius[:, None] * np.sqrt(1 - level**2))[first]  # (P, SLICES)
    with np.errstate(invalid="ignore"):
        theirs = np.sqrt(other_radius[:, None] ** 2 - (radius[first][:, None] * level - apart[:, 2:]) ** 2)
    distance = np.hypot(apart[:, 0], apart[:, 1])[:, None]
    meet = np.isfinite(theirs) & (distance < own + theirs)
    inside = meet & (distance + own <= theirs)
    exposed[np.broadcast_to(first[:, None], own.shape)[inside], np.nonzero(inside)[1]] = 0
    row, column = np.nonzero(meet & ~inside & (distance + theirs > own))
    if not len(row):
        return
    own, theirs, distance = own[row, column], theirs[row, column], distance[row, 0]
    half = np.arccos(((own**2 + distance**2 - theirs**2) / (2 * own * distance)).clip(-1, 1))
    middle = np.arctan2(apart[row, 1], apart[row, 0])
    start, end = (middle - half) % (2 * np.pi), (middle + half) % (2 * np.pi)
    circle = first[row] * SLICES + column
    over = start > end  # an arc through angle zero is two
    start = np.concatenate([start, np.zeros(int(over.sum()))])
    ends = np.concatenate([np.where(over, 2 * np.pi, end), end[over]])
    circle = np.concatenate([circle, circle[over]])
    order = np.lexsort((start, circle))
    start, ends, circle = start[order], ends[order], circle[order]
    # circles are laid out one after the other, so that one running maximum goes through all
    offset = circle * 4 * np.pi
    reached = np.maximum.accumulate(ends + offset)
    before = np.maximum(np.concatenate([[0.0], reached[:-1]]), offset)
    free = np.bincount(circle, np.maximum(0, start + offset - before), minlength=exposed.size)
    last = np.flatnonzero(np.append(circle[1:] != circle[:-1], True))
    free[circle[last]] += 2 * np.pi - (reached[last] - offset[last])
    flat = exposed.reshape(-1)
    touched = circle[last]
    flat[touched] = np.minimum(flat[touched], free[touched])
