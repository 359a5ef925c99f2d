"""Graphs whose nodes are residues (at their C-alphas) or atoms, with edges of several relations.

Source: Zhang et al. 2023 (GearNet), section 3.1; specs/siamdiff.md, section 2.
"""

import dataclasses

import numpy as np

from plait.structure.geometry import chain_breaks
from plait.structure.neighbours import nearest, within_radius
from plait.structure.protein import Protein

APART = 1_000_000
"""What separates the places of two chains: more than any distance in sequence that a rule asks about."""

COINCIDENT = 1e-10
"""Nodes nearer than this (angstrom) are not joined in space."""


@dataclasses.dataclass(frozen=True)
class GraphRules:
    """Which nodes are joined.

    Relations are numbered in this order: each offset along the sequence from -sequential to +sequential (offset 0
    joins a node to itself), then the radius, then the nearest neighbours.

    Attributes
    ----------
    radius : float, angstrom
        Nodes nearer than this are joined.
    nearest : int
        Each node hears from this many nearest nodes; 0 for none.
    sequential : int or None
        Largest offset along the sequence; None for no edges of this kind.
    separation : int
        Edges in space join only residues at least this far apart in sequence. Nearest neighbours that are closer
        are not replaced by others.
    limit : int or None
        Most sources of a node within the radius; see `radius_edges`.
    """

    radius: float
    nearest: int = 0
    sequential: int | None = None
    separation: int = 0
    limit: int | None = None

    @property
    def relations(self) -> int:
        """Number of relations."""
        offsets = 0 if self.sequential is None else 2 * self.sequential + 1
        return offsets + 1 + (self.nearest > 0)


def sequence_places(protein: Protein) -> np.ndarray:
    """Where each residue stands in its sequence: int64 [R], ascending; chains are `APART`.

    Residues that are bonded follow one another whatever their numbers; over a break the author's numbers say how many
    are missing, where they say anything.
    """
    if not len(protein):
        return np.zeros(0, np.int64)
    step = np.ones(len(protein), np.int64)
    broken = chain_breaks(protein)[1:]
    numbered = np.maximum(1, np.diff(protein.author_number.astype(np.int64)))
    step[1:] = np.where(broken, np.minimum(numbered, APART), 1)
    step[1:][protein.chain[1:] != protein.chain[:-1]] = APART
    return np.cumsum(step) - 1


def edges(
    position: np.ndarray, place: np.ndarray, chain: np.ndarray, rules: GraphRules
) -> tuple[np.ndarray, np.ndarray]:
    """Directed edges, relation after relation.

    Parameters
    ----------
    position : float [N, 3], angstrom, finite
    place : int64 [N], ascending
        Of the node's residue in the sequence; differences of it are distances in sequence.
    chain : [N]
        What tells chains apart; sequential edges stay inside one.
    rules : GraphRules

    Returns
    -------
    edge : int64 [E, 2]
        Source and target. Sequential edges by offset and source, radius edges by target and source, nearest
        neighbours by target and distance.
    relation : int64 [E]
    """
    position = np.asarray(position, np.float64)
    parts = []
    if rules.sequential is not None:
        parts += [_along(place, chain, k) for k in range(-rules.sequential, rules.sequential + 1)]
    in_space = [radius_edges(position, rules.radius, rules.limit)]
    if rules.nearest:
        in_space.append(nearest_edges(position, rules.nearest))
    for edge in in_space:
        source, target = edge.T
        far = np.abs(place[source] - place[target]) >= rules.separation
        apart = np.linalg.norm(position[source] - position[target], axis=1) >= COINCIDENT
        parts.append(edge[far & apart])
    relation = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate(parts), relation


def radius_edges(position: np.ndarray, radius: float, limit: int | None = None) -> np.ndarray:
    """Source and target, int64 [E, 2], of all pairs of nodes nearer than `radius`, by target and then source.

    With a `limit`, a target keeps the sources of lowest index: the first `limit` + 1 nodes within the radius are
    taken, the target among them, and the target is then left out. That is the published rule on a GPU, so that a
    target whose own index comes later keeps `limit` + 1.
    """
    pairs = within_radius(position, radius * (1 + 1e-9))
    square = np.square(position[pairs[:, 0]] - position[pairs[:, 1]]).sum(axis=1)
    target, source = pairs[square < radius * radius].T
    if limit is not None and len(target):
        first = np.searchsorted(target, target)
        rank = np.arange(len(target)) - first + (source > target)  # the target itself counts where it stands
        source, target = source[rank <= limit], target[rank <= limit]
    return np.stack([source, target], axis=1)


def nearest_edges(position: np.ndarray, count: int) -> np.ndarray:
    """Source and target, int64 [E, 2]: the `count` nearest other nodes of each target, nearest first, of equals the
    one of lower index."""
    index, distance = nearest(position, count + 4)  # some more, as equals may stand at the end
    order = np.lexsort((index, distance), axis=-1)[:, :count]
    source = np.take_along_axis(index, order, axis=1)
    target = np.broadcast_to(np.arange(len(position))[:, None], source.shape)
    return np.stack([source, target], axis=-1)[source >= 0]


def _along(place: np.ndarray, chain: np.ndarray, offset: int) -> np.ndarray:
    """Edges from each node to the one `offset` further in its chain: int64 [E, 2]. One node a residue."""
    target = np.searchsorted(place, place + offset)
    source = np.flatnonzero(target < len(place))
    target = target[source]
    there = (place[target] == place[source] + offset) & (chain[target] == chain[source])
    return np.stack([source[there], target[there]], axis=1)
