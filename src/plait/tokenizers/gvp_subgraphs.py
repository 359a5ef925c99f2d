"""Embedding of each residue by the subgraph around it, as published, with everything shared that can be.

Neighbourhoods overlap, so that most of the work of a plain program is repeated. Here features, edge states, what
edges give to messages and the whole first message are computed once for many subgraphs; what differs between subgraphs
is computed for a few of them at a time, so that intermediates stay in the processor's cache.
"""

import dataclasses

import numpy as np
import torch

from plait.tokenizers.gvp_features import Graph, edges_within
from plait.tokenizers.gvp_network import GVPEncoder, segment_mean

SUBGRAPHS_SHARING = 128
EDGES_AT_ONCE = 3000


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """The residues around each residue, itself among them, as ragged lists that ascend.

    Attributes
    ----------
    members : int64 [M]
        Lists of the distinct neighbourhoods, one after the other.
    offsets : int64 [D + 1]
        Where each begins.
    of : int64 [n]
        Which neighbourhood is that of residue i; residues with the same neighbours share one.
    """

    members: np.ndarray
    offsets: np.ndarray
    of: np.ndarray


def neighbourhoods(c_alpha: np.ndarray, radius: float, size: int, chain: np.ndarray | None = None) -> Neighbourhoods:
    """The at most `size` residues nearest to each one (itself counts) that are closer than the radius (angstrom), and
    if `chain` [n] is given, of the same chain."""
    count = len(c_alpha)
    source, anchor = edges_within(c_alpha, radius, size - 1, chain)
    members = np.concatenate([source, np.arange(count)])
    anchor = np.concatenate([anchor, np.arange(count)])
    members = members[np.argsort(anchor * count + members)]
    lists = np.split(members, np.cumsum(np.bincount(anchor, minlength=count))[:-1]) if count else []

    distinct, of = {}, np.empty(count, np.int64)
    for i, one in enumerate(lists):
        of[i] = distinct.setdefault(one.tobytes(), len(distinct))
    members = np.frombuffer(bytearray().join(distinct), np.int64)
    lengths = [len(one) // members.itemsize for one in distinct]
    return Neighbourhoods(members, np.cumsum([0, *lengths]), of)


@torch.inference_mode()
def embed_subgraphs(encoder: GVPEncoder, graph: Graph, around: Neighbourhoods) -> torch.Tensor:
    """Mean of the encoder's scalars over each distinct neighbourhood, seen as a graph of its own: float [D, S].

    The encoder must have one layer or more. Memory does not grow with the length of the chain.
    """
    count = len(around.offsets) - 1
    embedding = graph.node_vector.new_empty(count, encoder.config.node_hidden[0])
    for begin in range(0, count, SUBGRAPHS_SHARING):
        parts = _parts(graph, around, begin, min(begin + SUBGRAPHS_SHARING, count))
        _embed_parts(encoder, graph, parts, embedding)
    return embedding


def _embed_parts(encoder: GVPEncoder, graph: Graph, parts: list["_Part"], embedding: torch.Tensor) -> None:
    # The nodes and edges that occur in any of the subgraphs, and all that is the same in each of these.
    nodes = torch.from_numpy(np.unique(np.concatenate([part.node for part in parts])))
    edges = torch.from_numpy(np.unique(np.concatenate([part.edge for part in parts])))
    scalar = graph.node_vector.new_zeros(len(nodes), encoder.config.node_input[0])
    start = encoder.W_v((scalar, graph.node_vector[nodes]))
    edge = encoder.W_e((graph.edge_scalar[edges], graph.edge_vector[edges]))
    first, rest = encoder.layers[0], encoder.layers[1:]
    source, target = (torch.searchsorted(nodes, end[edges]) for end in (graph.source, graph.target))
    rows = torch.stack([torch.arange(len(edges)), source + len(edges), target + len(edges) + len(nodes)], dim=1)
    tables = [torch.cat(parts) for parts in zip(first.conv.edge_rows(edge), *first.conv.node_rows(start))]
    first_messages = first.conv.messages(first.conv.first(*_row_sums(tables, rows)))

    # Tables of rows: on top those of the nodes of a part, as sources and as targets; below those of the edges for
    # each layer, which stay.
    most = max(len(part.node) for part in parts)
    tables = [values.new_empty(2 * most + len(rest) * len(edges), values.shape[1]) for values in tables]
    for number, layer in enumerate(rest):
        for table, values in zip(tables, layer.conv.edge_rows(edge)):
            table[2 * most + number * len(edges) :][: len(edges)] = values
    for part in parts:
        node, edge_number, rows, offsets = part.tensors(nodes, edges)
        mean = [segment_mean(values, offsets, edge_number) for values in first_messages]
        state = first.update((start[0][node], start[1][node]), first.conv.apply_last(mean, offsets))
        rows += torch.tensor([2 * most, 0, most])
        for layer in rest:
            for at, node_rows in zip((0, most), layer.conv.node_rows(state)):
                for table, values in zip(tables, node_rows):
                    table[at : at + len(node)] = values
            messages = layer.conv.messages(layer.conv.first(*_row_sums(tables, rows)))
            mean = [segment_mean(values, offsets) for values in messages]
            state = layer.update(state, layer.conv.apply_last(mean, offsets))
            rows[:, 0] += len(edges)
        scalar = encoder.W_out(state)[0]
        embedding[part.first : part.first + len(part.node_offsets) - 1] = segment_mean(
            scalar, torch.from_numpy(part.node_offsets)
        )


def _row_sums(tables, rows):
    """Sums of the rows [E, 3] of both tables: scalars [E, S] and hidden vectors [E, 3, h]."""
    scalar, hidden = (torch.nn.functional.embedding_bag(rows, table, mode="sum") for table in tables)
    return scalar, hidden.unflatten(1, (3, hidden.shape[1] // 3))


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """A few subgraphs side by side, from number `first`.

    `node` [M] and `edge` [E] are numbers in the whole graph, `source` and `target` [E] count the part's own nodes;
    subgraph i has nodes `node_offsets[i]` to `node_offsets[i + 1] - 1`.
    """

    first: int
    node: np.ndarray
    edge: np.ndarray
    source: np.ndarray
    target: np.ndarray
    node_offsets: np.ndarray

    def tensors(self, nodes: torch.Tensor, edges: torch.Tensor):
        """Places of its nodes and edges among those given, for each edge these places of edge, source and target
        (int64 [E, 3], the latter two in the part), and offsets of edges by target."""
        edge = torch.searchsorted(edges, torch.from_numpy(self.edge))
        source, target = torch.from_numpy(self.source), torch.from_numpy(self.target)
        rows = torch.stack([edge, source, target], dim=1)
        offsets = torch.searchsorted(target, torch.arange(len(self.node) + 1))
        return torch.searchsorted(nodes, torch.from_numpy(self.node)), edge, rows, offsets


def _parts(graph: Graph, around: Neighbourhoods, begin: int, end: int) -> list[_Part]:
    """Subgraphs `begin` to `end - 1`, in parts of about the same size, `EDGES_AT_ONCE` at most or a single one."""
    offsets = graph.offsets.numpy()
    node_offsets = around.offsets[begin : end + 1] - around.offsets[begin]
    node = around.members[around.offsets[begin] : around.offsets[end]]  # (M,)
    subgraph = np.repeat(np.arange(end - begin), np.diff(node_offsets))
    place = np.full((end - begin, len(graph)), -1, np.int64)
    place[subgraph, node] = np.arange(len(node))

    degree = np.diff(offsets)[node]
    target = np.repeat(np.arange(len(node)), degree)  # all edges that arrive at the nodes, also from outside
    edge = np.arange(len(target)) + np.repeat(offsets[node] - (np.cumsum(degree) - degree), degree)
    source = place[subgraph[target], graph.source.numpy()[edge]]
    inside = source >= 0
    edge, source, target = edge[inside], source[inside], target[inside]
    edge_offsets = np.searchsorted(target, node_offsets)

    # Three parts at least, so that memory is small beside that of all subgraphs also where these are few.
    count = np.clip(np.ceil(1.1 * len(edge) / EDGES_AT_ONCE), 3, None)
    parts, i = [], 0
    while i < end - begin:
        j = int(np.searchsorted(edge_offsets, edge_offsets[i] + len(edge) / count, "right"))
        if j > end - begin or edge_offsets[j] - edge_offsets[i] > EDGES_AT_ONCE:
            j -= 1
        j = max(i + 1, j)
        nodes, edges = slice(node_offsets[i], node_offsets[j]), slice(edge_offsets[i], edge_offsets[j])
        parts.append(
            _Part(
                begin + i,
                node[nodes],
                edge[edges],
                source[edges] - node_offsets[i],
                target[edges] - node_offsets[i],
                node_offsets[i : j + 1] - node_offsets[i],
            )
        )
        i = j
    return parts
