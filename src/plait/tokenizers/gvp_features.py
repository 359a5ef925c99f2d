"""Graphs of the backbone for the GVP structure encoder: edges between near C-alphas, and their features."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree

RADIAL_CENTRES, RADIAL_RANGE = 16, 20.0
OFFSET_FREQUENCIES = 8
EDGE_SCALARS = RADIAL_CENTRES + 2 * OFFSET_FREQUENCIES
NODE_VECTORS = 3
PEPTIDE_BOND_LIMIT = 2.5
"""A longer C-N distance (angstrom) between neighbours in the list is a chain break; the bond is 1.33 long."""

STRETCH, SLACK = 3.8, 1.0
"""C-alphas of residues m apart in a chain are at most m times 3.8 angstrom apart, give or take errors."""


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """One or several backbones as a directed graph whose edges are sorted by target.

    Attributes
    ----------
    node_vector : float [n, 3, 3]
        Per node, coordinate (second axis) and channel (third): forward, backward, side chain.
    source, target : int64 [E]
        An edge carries a message from source to target; `target` ascends.
    offsets : int64 [n + 1]
        Edges of target i are `offsets[i]` to `offsets[i + 1] - 1`.
    edge_scalar : float [E, 32]
    edge_vector : float [E, 3, 1]
    residue : int64 [n]
        Residue (row of the backbone given) that a node stands for; rows without N, CA and C have no node.
    node_scalar : float [n, S] or None
        None stands for zeros: the published encoder sees no scalar of a node.
    """

    node_vector: torch.Tensor
    source: torch.Tensor
    target: torch.Tensor
    offsets: torch.Tensor
    edge_scalar: torch.Tensor
    edge_vector: torch.Tensor
    residue: torch.Tensor
    node_scalar: torch.Tensor | None = None

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.node_vector)

    def to(self, device=None, dtype: torch.dtype | None = None) -> "Graph":
        """The graph on another device; its features, not its indices, in another floating type."""
        moved = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                value = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
            moved[field.name] = value
        return Graph(**moved)

    @staticmethod
    def concatenate(graphs: Sequence["Graph"]) -> "Graph":
        """Several graphs side by side as one; `residue` stays the number within each."""
        nodes = np.cumsum([0] + [len(graph) for graph in graphs]).tolist()
        edges = np.cumsum([0] + [len(graph.source) for graph in graphs]).tolist()
        scalars = [graph.node_scalar for graph in graphs]
        return Graph(
            node_vector=torch.cat([graph.node_vector for graph in graphs]),
            source=torch.cat([graph.source + first for graph, first in zip(graphs, nodes)]),
            target=torch.cat([graph.target + first for graph, first in zip(graphs, nodes)]),
            offsets=torch.cat(
                [graph.offsets[:-1] + first for graph, first in zip(graphs, edges)]
                + [torch.tensor([edges[-1]], device=graphs[0].offsets.device)]
            ),
            edge_scalar=torch.cat([graph.edge_scalar for graph in graphs]),
            edge_vector=torch.cat([graph.edge_vector for graph in graphs]),
            residue=torch.cat([graph.residue for graph in graphs]),
            node_scalar=None if any(scalar is None for scalar in scalars) else torch.cat(scalars),
        )


def graph_features(
    backbone,
    chain=None,
    *,
    segment=None,
    radius: float = 10.0,
    neighbours: int | None = None,
    compat: bool = False,
) -> Graph:
    """The graph of a backbone: an edge from every C-alpha within the radius to each C-alpha.

    Parameters
    ----------
    backbone : float [R, 3 or more, 3], angstrom
        N, CA, C; further atoms are not looked at. Rows that are not finite get no node.
    chain : [R], optional
        Anything that names the chains: no edge joins two. One chain if not given.
    segment : int [R], optional
        Unbroken stretches of the chains, from `segments` if not given. Pass those of the clean structure when noise
        is added to the coordinates. Directions to the next residue end at a segment's end, and the offset in
        sequence is unknown (its features are zero) between two of them.
    radius : float
        An edge's C-alpha distance is strictly below (angstrom, float64).
    neighbours : int, optional
        Keep only this many of the nearest sources of each target.
    compat : bool
        As published: the list is taken for one unbroken chain, whatever `chain` and `segment` say, and the
        cross product of the side-chain vector runs over residues when there are exactly three.

    Source: Li et al. 2024, ProSST; Jing et al. 2021, Learning from Protein Structure with Geometric Vector
    Perceptrons.
    """
    backbone = torch.from_numpy(np.array(backbone, np.float32)[:, :3])
    present = torch.isfinite(backbone).all(dim=2).all(dim=1).numpy()
    residue = np.nonzero(present)[0]
    if compat:
        chain, segment = None, np.zeros(len(backbone))
    elif segment is None:
        segment = segments(backbone, chain)
    backbone, segment = backbone[present], np.asarray(segment)[present]
    chain = None if chain is None else np.asarray(chain)[present]

    c_alpha = backbone[:, 1]
    source, target = edges_within(c_alpha.numpy(), radius, neighbours, chain)
    offsets = np.searchsorted(target, np.arange(len(residue) + 1))
    if compat:
        position, known = np.arange(len(residue)), None  # as if what is absent had never been
        joined = np.ones(max(0, len(residue) - 1), bool)
    else:
        position, known = residue, segment[source] == segment[target]
        joined = (np.diff(residue) == 1) & (segment[1:] == segment[:-1])
    source, target = torch.from_numpy(source), torch.from_numpy(target)
    edge_scalar, edge_vector = edge_features(c_alpha, source, target, position, known)
    return Graph(
        node_vector=node_features(backbone, joined, compat=compat),
        source=source,
        target=target,
        offsets=torch.from_numpy(offsets),
        edge_scalar=edge_scalar,
        edge_vector=edge_vector,
        residue=torch.from_numpy(residue),
    )


def segments(backbone, chain=None) -> np.ndarray:
    """Number int64 [R] of the unbroken stretch of chain that each residue belongs to.

    A stretch ends where the chain ends, and where the next C-N distance exceeds 2.5 angstrom. Residues without N, CA
    and C do not end it, unless the C-alphas on both sides are too far apart for their number.
    """
    backbone = np.asarray(backbone, np.float64)
    present = np.nonzero(np.isfinite(backbone[:, :3]).all(axis=(1, 2)))[0]
    before, after = present[:-1], present[1:]
    apart = after - before
    bond = np.linalg.norm(backbone[after, 0] - backbone[before, 2], axis=-1)
    span = np.linalg.norm(backbone[after, 1] - backbone[before, 1], axis=-1)
    broken = np.where(apart == 1, bond > PEPTIDE_BOND_LIMIT, span > STRETCH * apart + SLACK)
    if chain is not None:
        chain = np.asarray(chain)
        broken |= chain[after] != chain[before]
    starts = np.zeros(len(backbone), np.int64)
    starts[after] = broken
    return np.cumsum(starts)


def edges_within(
    c_alpha: np.ndarray, radius: float, neighbours: int | None = None, chain: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Source and target int64 [E] of all pairs closer than the radius, sorted by target, then source.

    With `neighbours`, the nearest sources of each target only, at equal distance the first.
    """
    if len(c_alpha) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    points = np.asarray(c_alpha, np.float64)
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray")  # (P, 2), at most the radius
    distance = np.sqrt(((points[pairs[:, 0]] - points[pairs[:, 1]]) ** 2).sum(-1))
    kept = distance < radius
    if chain is not None:
        kept &= chain[pairs[:, 0]] == chain[pairs[:, 1]]
    pairs, distance = pairs[kept], distance[kept]
    source, target = np.concatenate([pairs, pairs[:, ::-1]]).T.astype(np.int64)
    if neighbours is not None:
        distance = np.concatenate([distance, distance])
        order = np.lexsort((source, distance, target))
        rank = np.arange(len(order)) - np.searchsorted(target[order], target[order])
        order = order[rank < neighbours]
        source, target = source[order], target[order]
    order = np.argsort(target * len(points) + source)
    return source[order], target[order]


def node_features(backbone: torch.Tensor, joined: np.ndarray, *, compat: bool = False) -> torch.Tensor:
    """Unit vectors float32 [n, 3, 3] per node, coordinate and channel: to the next C-alpha, to the one before,
    and to where the side chain points. `joined` [n - 1]: whether a node and the next are neighbours in a chain."""
    n, ca, c = backbone.unbind(dim=1)
    vectors = torch.zeros(len(backbone), NODE_VECTORS, 3)
    if len(backbone) > 1:
        step = _unit(ca[1:] - ca[:-1]) * torch.from_numpy(joined).unsqueeze(1)
        vectors[:-1, 0] = step
        vectors[1:, 1] = -step
    to_c, to_n = _unit(c - ca), _unit(n - ca)
    axis = 0 if compat and len(backbone) == 3 else 1
    bisector, perpendicular = _unit(to_c + to_n), _unit(torch.cross(to_c, to_n, dim=axis))
    vectors[:, 2] = -bisector * math.sqrt(1 / 3) - perpendicular * math.sqrt(2 / 3)
    return torch.nan_to_num(vectors).transpose(1, 2).contiguous()  # (n, 3 coordinates, 3 channels)


def edge_features(
    c_alpha: torch.Tensor, source: torch.Tensor, target: torch.Tensor, position: np.ndarray, known=None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scalars float32 [E, 32] (distance in 16 Gaussians, offset in 16 sines) and unit vectors [E, 3, 1].

    Parameters
    ----------
    position : int [n]
        Place in sequence.
    known : bool [E], optional
        False where the offset in sequence is unknown; its features are zero there.
    """
    step = c_alpha[source] - c_alpha[target]
    length = step.square().sum(dim=1, keepdim=True).sqrt()  # (E, 1)
    centres = torch.linspace(0.0, RADIAL_RANGE, RADIAL_CENTRES)
    radial = torch.exp(-(((length - centres) / (RADIAL_RANGE / RADIAL_CENTRES)) ** 2))  # (E, 16)

    span = int(position[-1] - position[0]) if len(position) else 0
    frequency = torch.exp(
        torch.arange(0, 2 * OFFSET_FREQUENCIES, 2, dtype=torch.float32)
        * -(math.log(10000.0) / (2 * OFFSET_FREQUENCIES))
    )
    angle = torch.arange(-span, span + 1, dtype=torch.float32).unsqueeze(1) * frequency
    table = torch.cat([angle.cos(), angle.sin()], dim=1)  # (2 span + 1, 16), one row per offset
    position = torch.as_tensor(position)
    offset = table[position[source] - position[target] + span]  # (E, 16)
    if known is not None:
        offset *= torch.as_tensor(known).unsqueeze(1)
    return torch.nan_to_num(torch.cat([radial, offset], dim=1)), torch.nan_to_num(step / length).unsqueeze(2)


def _unit(vector: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num(vector / vector.square().sum(dim=1, keepdim=True).sqrt())
