"""Neighbours in space: all pairs within a radius, and the k nearest of each point. scipy's k-d tree.

Points with a coordinate that is not finite have no neighbours and are nobody's neighbour.
"""

import numpy as np


def within_radius(points: np.ndarray, radius: float, others: np.ndarray | None = None) -> np.ndarray:
    """Pairs of points at most `radius` apart.

    Parameters
    ----------
    points : float [A, 3], angstrom; NaN where absent
    radius : float, angstrom
    others : float [N, 3], optional
        Pairs of `points` with these instead of with one another.

    Returns
    -------
    int64 [E, 2]
        Index into `points` and into `others`, in ascending order. Without `others` each pair stands both ways round,
        and no point is paired with itself.
    """
    from scipy.spatial import cKDTree

    here = _present(points)
    there = here if others is None else _present(others)
    if not len(here) or not len(there):
        return np.zeros((0, 2), np.int64)
    tree = cKDTree(np.asarray(points, np.float64)[here])
    if others is None:
        pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64)
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
    else:
        lists = tree.query_ball_tree(cKDTree(np.asarray(others, np.float64)[there]), radius)
        counts = [len(found) for found in lists]
        second = np.concatenate([np.asarray(found, np.int64) for found in lists])
        pairs = np.stack([np.repeat(np.arange(len(here)), counts), second], axis=1)
    pairs = np.stack([here[pairs[:, 0]], there[pairs[:, 1]]], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def nearest(points: np.ndarray, k: int, others: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest neighbours of each point, nearest first.

    Parameters
    ----------
    points : float [A, 3], angstrom; NaN where absent
    k : int
    others : float [N, 3], optional
        Neighbours among these instead of among `points`; without it a point is not its own neighbour.

    Returns
    -------
    index : int64 [A, k]
        Into `others` (or `points`); -1 where there are fewer than `k`.
    distance : float64 [A, k], angstrom
        Infinite where there are fewer.
    """
    from scipy.spatial import cKDTree

    points = np.asarray(points, np.float64)
    index = np.full((len(points), k), -1, np.int64)
    distance = np.full((len(points), k), np.inf)
    here = _present(points)
    there = here if others is None else _present(others)
    if k < 1 or not len(here) or not len(there):
        return index, distance
    targets = points if others is None else np.asarray(others, np.float64)
    ask = min(k + (others is None), len(there))
    found_distance, found = cKDTree(targets[there]).query(points[here], k=np.arange(1, ask + 1))
    if others is None:
        # The point itself is taken out by its number: with two points in one place it need not come first.
        itself = found == np.arange(len(here))[:, None]
        itself[~itself.any(axis=1), -1] = True
        found = found[~itself].reshape(len(here), ask - 1)
        found_distance = found_distance[~itself].reshape(len(here), ask - 1)
    width = found.shape[1]
    index[here, :width] = there[found]
    distance[here, :width] = found_distance
    return index, distance


def _present(points: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.isfinite(points).all(axis=-1))


def linked(position: np.ndarray, link: float) -> np.ndarray:
    """Number of the cluster of each point [P, 3] under single linkage at distance `link`: int64 [P], from 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = within_radius(position, link)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(position),) * 2)
    return connected_components(graph, directed=False)[1].astype(np.int64) if len(position) else np.zeros(0, np.int64)
