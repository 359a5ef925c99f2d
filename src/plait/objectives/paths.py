"""Paths along the edges of a graph, drawn so that each is as likely as any other, and what is measured along them."""

import numpy as np

CLASSES = 8
"""Equal parts of [0, pi] into which angles fall."""


def draw_paths(edge: np.ndarray, nodes: int, steps: int, count: int, generator: np.random.Generator, simple: bool):
    """Edges that follow one another: int64 [count or fewer, steps], numbers of edges. Draws are with replacement.

    Parameters
    ----------
    edge : int64 [E, 2]
        Source and target.
    nodes : int
    steps : int
        Edges in a path: 1, 2 or 3.
    simple : bool
        No node twice. Otherwise as published: no edge follows itself or is followed by one that goes back; a path may
        pass a loop at one node, and end where it began.
    """
    source, target = edge.T
    order = np.argsort(target, kind="stable")
    arriving = np.searchsorted(target[order], np.arange(nodes + 1))
    leaving_order = np.argsort(source, kind="stable")
    leaving = np.searchsorted(source[leaving_order], np.arange(nodes + 1))
    into, out = np.diff(arriving), np.diff(leaving)
    # how many walks have each edge in the middle: last but one of two, second of three
    walks = np.ones(len(edge))
    if steps > 1:
        walks = walks * into[source]
    if steps > 2:
        walks = walks * out[target]
    found = np.zeros((0, steps), np.int64)
    if not walks.sum():
        return found
    for _ in range(ATTEMPTS):
        middle = generator.choice(len(edge), 4 * count, p=walks / walks.sum())
        path = [middle]
        if steps > 1:
            at = source[middle]
            path.insert(0, order[arriving[at] + generator.integers(0, into[at])])
        if steps > 2:
            at = target[middle]
            path.append(leaving_order[leaving[at] + generator.integers(0, out[at])])
        path = np.stack(path, axis=1)
        found = np.concatenate([found, path[_allowed(edge, path, simple)]])
        if len(found) >= count:
            break
    return found[:count]


ATTEMPTS = 8
"""Times that draws are made in stead of those that are not allowed; a graph may have hardly any path."""


def _allowed(edge: np.ndarray, path: np.ndarray, simple: bool) -> np.ndarray:
    """Which paths [n, steps] may be asked about."""
    nodes = nodes_along(edge, path)
    if simple:
        ordered = np.sort(nodes, axis=1)
        return (ordered[:, 1:] != ordered[:, :-1]).all(axis=1)
    fine = np.ones(len(path), bool)
    for step in range(path.shape[1] - 1):
        first, second = path[:, step], path[:, step + 1]
        fine &= (first != second) & (edge[first, 0] != edge[second, 1])
    if path.shape[1] == 3:
        # the second pair of edges is neither the first pair nor that turned round
        first, second, third = path.T
        fine &= ~((first == second) & (second == third)) & (first != third)
    return fine


def nodes_along(edge: np.ndarray, path: np.ndarray) -> np.ndarray:
    """The nodes of paths: int64 [n, steps + 1]."""
    return np.concatenate([edge[path, 0], edge[path[:, -1:], 1]], axis=1)


def distance_along(position: np.ndarray) -> np.ndarray:
    """Distance of the two nodes [n, 2, 3]: float32 [n], angstrom."""
    return np.linalg.norm(position[:, 0] - position[:, 1], axis=-1).astype(np.float32)


def angle_class(position: np.ndarray) -> np.ndarray:
    """Class of the angle at the middle of three nodes [n, 3, 3]: int64 [n]."""
    first, second = position[:, 0] - position[:, 1], position[:, 2] - position[:, 1]
    return _class(first, second)


def dihedral_class(position: np.ndarray) -> np.ndarray:
    """Class of the dihedral of four nodes [n, 4, 3] without its sign: int64 [n]."""
    axis = position[:, 1] - position[:, 2]
    first = np.cross(axis, position[:, 3] - position[:, 2])
    second = np.cross(axis, position[:, 0] - position[:, 1])
    return _class(first, second)


def _class(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    angle = np.arctan2(across, (first * second).sum(-1))
    return np.minimum((angle / np.pi * CLASSES).astype(np.int64), CLASSES - 1)
