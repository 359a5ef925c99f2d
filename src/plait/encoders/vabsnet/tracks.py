"""The edges of a track: neighbour lists and what is known of each edge (specs/vabsnet.md, sections 2 and 3). numpy."""

import numpy as np

from plait.encoders.blocks.graph_changes import among
from plait.encoders.vabsnet.graph import Track
from plait.structure.neighbours import nearest

REACH, SPECIAL_REACH = 256, 1200
"""Sequence separations are told apart up to this many residues, and this many where the global node is an end."""

TIE = 1e-6
"""Distances in angstrom that differ by less are alike to neighbour lists, which then go by number: a structure that is
turned has the same lists."""

MOST_TIED = 64
"""So many neighbours at the same distance are told apart by number; beyond that (atoms in one place) any will do."""


def make_track(
    config, position, residue, frames, chain, *, special, senders, neighbours, raw_specials, hidden=()
) -> Track:
    """The edges among the nodes of a track.

    Parameters
    ----------
    position : float64 [nodes, 3], angstrom; NaN where unknown
    residue : int64 [nodes]
        Number of the residue node of each node.
    frames : float64 [residue nodes, 3, 3]
    chain : int64 [residue nodes]
        Number of its chain; -1 for special nodes.
    special, senders : int
        The last `special` nodes are special, and the first `senders` of those have edges.
    neighbours : int
        Nearest nodes of each ordinary one, itself among them.
    raw_specials : bool
        Directions to and from special nodes are in the common axes and angstrom.
    hidden : sequence of (int64 [nodes], int64 [H, 2 or more])
        Names of the nodes and pairs of these: a node of the second name does not hear one of the first.
    """
    ordinary = len(position) - special
    known = np.isfinite(position).all(-1)
    rows = np.arange(ordinary)
    limit = ordinary - 1 if config.compat else ordinary
    near, mask = _neighbours(position[:ordinary], min(neighbours, limit), neighbours)
    for name, pairs in hidden:
        mask &= ~among(name[near], name[rows][:, None], None, pairs) | (name[near] == name[rows][:, None])
    specials = ordinary + np.arange(senders)
    near = np.concatenate([near, np.broadcast_to(specials, (ordinary, senders))], axis=1)
    mask = np.concatenate([mask, known[:ordinary, None] & known[specials]], axis=1)
    near = np.where(mask, near, rows[:, None])
    everyone = np.concatenate([rows, specials])
    lists = [everyone[(everyone != one) & known[everyone] & known[one]] for one in specials]
    far, lengths = np.concatenate(lists).astype(np.int64), np.array([len(one) for one in lists], np.int64)

    to = np.concatenate([np.repeat(rows, near.shape[1]), np.repeat(specials, lengths)])
    start = np.concatenate([near.ravel(), far])
    apart = position[start] - position[to]  # (E, 3)
    apart[np.isnan(apart)] = 0
    vectors = []
    if config.absolute_directions:
        vectors.append(-apart)
    if config.relative_directions:
        turned = unit(np.einsum("eab,eb->ea", frames[residue[to]], apart))
        if raw_specials:
            turned = np.where((np.maximum(to, start) >= ordinary)[:, None], apart, turned)
        vectors.append(turned)
    vectors = np.stack(vectors, 1) if vectors else np.zeros((len(to), 0, 3))
    return Track(
        near=near,
        near_mask=mask,
        near_rows=rows,
        far=far,
        far_rows=specials,
        far_lengths=lengths,
        nodes=len(position),
        distance=np.sqrt((apart**2).sum(-1)),
        vectors=vectors,
        separation=_separation(config, residue, chain, to, start, ordinary),
    )


def _separation(config, residue, chain, to, start, global_node) -> np.ndarray:
    """Rows of the two tables of sequence separations. In our form other chains are as far as can be."""
    apart = residue[to] - residue[start]
    rows = np.clip(apart, -REACH, REACH) + REACH
    if not config.compat:
        chains = chain[residue]
        first, second = chains[to], chains[start]
        rows[(first != second) & (first >= 0) & (second >= 0)] = 2 * REACH
    special = (to == global_node) | (start == global_node)
    rows[special] = 2 * REACH + 1 + np.clip(apart[special], -SPECIAL_REACH, SPECIAL_REACH) + SPECIAL_REACH
    return rows


def _neighbours(position, count, width) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest of each point, itself first: int64 [N, width] and whether there is one, bool [N, width]."""
    points = len(position)
    near = np.full((points, width), -1, np.int64)
    if count < 1:
        return near, near >= 0
    near[:, 0] = np.arange(points)
    if count > 1:
        near[:, 1:count] = _ordered(position, count - 1)
    return near, near >= 0


def _ordered(position, count) -> np.ndarray:
    """The `count` nearest others of each point by rounded distance, then by number; -1 where there are fewer."""
    more = 1
    while True:
        index, distance = nearest(position, count + more)
        key = np.where(index < 0, np.iinfo(np.int64).max, (distance.clip(max=1e5) / TIE).round().astype(np.int64))
        tied = (key[:, -1] == key[:, count - 1]) & (index[:, -1] >= 0)
        if not tied.any() or more >= MOST_TIED:
            break
        more *= 4
    order = np.lexsort((index, key), axis=-1)[:, :count]
    return np.take_along_axis(index, order, 1)


def unit(vector: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] of length 1; zero for zero and NaN."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(length > 0, vector / length, 0.0)
