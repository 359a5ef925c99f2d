"""The GVP structure encoder: a graph network over scalars and vectors of residues.

Source: Li et al. 2024, ProSST; Jing et al. 2021, Learning from Protein Structure with Geometric Vector Perceptrons.
Vectors are kept as (n, 3, channels), so that mixing channels is one matrix product over 3 n rows. The parameters
have the published names and shapes.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

from plait.config import option
from plait.errors import InputError
from plait.tokenizers.gvp_features import EDGE_SCALARS, NODE_VECTORS, Graph

SMALLEST_SQUARE = 1e-8
EDGES_AT_ONCE = 4000


@dataclasses.dataclass(frozen=True)
class GVPEncoderConfig:
    """Sizes of the network and reach of its graph. The defaults are those of our own encoder."""

    node_input: tuple[int, int] = option(
        (0, NODE_VECTORS), "scalars and vectors of a node as they come in; published: 20 scalars, which are always zero"
    )
    node_hidden: tuple[int, int] = option((64, 16), "scalars and vector channels of a node inside the network")
    edge_hidden: tuple[int, int] = option((32, 1), "scalars and vector channels of an edge inside the network")
    layers: int = option(3, "rounds of message passing")
    message_layers: int = option(3, "perceptrons in a row that make a message, 2 or more")
    radius: float = option(10.0, "two residues are joined when their C-alphas are closer (angstrom)")
    neighbours: int | None = option(16, "each residue hears at most this many of the nearest; null: all in the radius")
    dropout: float = option(0.1, "in training; of scalars one by one, of vectors by whole channels")
    decoder_hidden: int = option(128, "width of the decoder that is trained along and then set aside")
    classes: int = option(20, "what the decoder tells apart")

    def __post_init__(self):
        for name in ("node_input", "node_hidden", "edge_hidden"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.message_layers < 2:
            raise InputError("a message needs two perceptrons or more", got=self.message_layers, expected="2 or more")


PUBLISHED = GVPEncoderConfig(
    node_input=(20, NODE_VECTORS),
    node_hidden=(256, 32),
    edge_hidden=(64, 2),
    layers=6,
    message_layers=3,
    radius=10.0,
    neighbours=None,
    dropout=0.1,
    decoder_hidden=512,
)
"""The encoder that ProSST was published with."""


class GVPEncoder(nn.Module):
    """Scalars of every node of a backbone graph, which do not change when the structure is turned or moved.

    To train it by denoising (recover each residue's type from the backbone alone)::

        encoder = GVPEncoder(GVPEncoderConfig())
        graph = graph_features(noisy_backbone, chain, segment=segments(clean_backbone, chain),
                               radius=encoder.config.radius, neighbours=encoder.config.neighbours)
        graph = Graph.concatenate([graph, ...])           # several proteins at once
        logits = encoder.classify(graph)                  # (nodes, 20)
        loss = F.cross_entropy(logits, residue_type[graph.residue], ignore_index=20)

    `encoder.eval()` before it is used to tokenise, as for any module with dropout.
    """

    def __init__(self, config: GVPEncoderConfig | None = None):
        super().__init__()
        config = self.config = config or GVPEncoderConfig()
        node, edge = config.node_hidden, config.edge_hidden
        edge_input = (EDGE_SCALARS, 1)
        self.W_v = nn.Sequential(TupleNorm(config.node_input), GVP(config.node_input, node))
        self.W_e = nn.Sequential(TupleNorm(edge_input), GVP(edge_input, edge))
        self.layers = nn.ModuleList(
            Layer(node, edge, config.message_layers, config.dropout) for _ in range(config.layers)
        )
        self.W_out = nn.Sequential(TupleNorm(node), GVP(node, (node[0], 0), active=True))
        self.dense = nn.Sequential(
            nn.Linear(node[0], config.decoder_hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.decoder_hidden, config.classes),
        )

    def forward(self, graph: Graph) -> torch.Tensor:
        """Scalars float [nodes, S], not negative; in the precision of the parameters, also under autocast."""
        with torch.autocast(graph.node_vector.device.type, enabled=False):
            state = self.W_v(self.node_state(graph))
            edge = self.W_e((graph.edge_scalar, graph.edge_vector))
            for layer in self.layers:
                state = layer(state, edge, graph)
            return self.W_out(state)[0]

    def classify(self, graph: Graph) -> torch.Tensor:
        """Logits float [nodes, classes] of the denoising decoder."""
        return self.dense(self(graph))

    def node_state(self, graph: Graph):
        """Scalars and vectors of the nodes as they enter the network."""
        scalar = graph.node_scalar
        if scalar is None:
            scalar = graph.node_vector.new_zeros(len(graph), self.config.node_input[0])
        return scalar, graph.node_vector


def length(vector: torch.Tensor) -> torch.Tensor:
    """Lengths [n, C] of vectors [n, 3, C], never below 1e-4, so that the gradient is finite."""
    x, y, z = vector.unbind(dim=1)
    square = (x * x).addcmul_(y, y).addcmul_(z, z)
    if torch.is_grad_enabled():
        return square.clamp_min(SMALLEST_SQUARE).sqrt()
    return square.clamp_min_(SMALLEST_SQUARE).sqrt_()


class GVP(nn.Module):
    """Geometric vector perceptron from `inputs` to `outputs`, each (scalars, vector channels).

    With `active`, scalars pass a relu and vectors are scaled by the sigmoid of their own length.
    """

    def __init__(self, inputs: tuple[int, int], outputs: tuple[int, int], *, active: bool = False):
        super().__init__()
        hidden = max(inputs[1], outputs[1])
        self.inputs, self.outputs, self.active = inputs, outputs, active
        self.wh = nn.Linear(inputs[1], hidden, bias=False)
        self.ws = nn.Linear(inputs[0] + hidden, outputs[0])
        self.wv = nn.Linear(hidden, outputs[1], bias=False) if outputs[1] else None

    def forward(self, state):
        scalar, vector = state
        hidden = self.wh(vector)  # (n, 3, h)
        scalars = self.inputs[0]
        out = torch.addmm(self.ws.bias, length(hidden), self.ws.weight[:, scalars:].T)  # (n, so)
        if scalars:
            out = out.addmm_(scalar, self.ws.weight[:, :scalars].T)
        return self.finish(out, hidden)

    def finish(self, scalar: torch.Tensor, hidden: torch.Tensor):
        """The state out of the scalars before their activation [n, so] and the hidden vectors [n, 3, h]."""
        vector = None if self.wv is None else self.wv(hidden)  # (n, 3, vo)
        if not self.active:
            return scalar, vector
        if vector is not None:
            gate = torch.sigmoid(length(vector)).unsqueeze(1)
            vector = vector * gate if torch.is_grad_enabled() else vector.mul_(gate)
        return torch.relu_(scalar), vector


class TupleNorm(nn.Module):
    """Layer normalisation of scalars; vectors are divided by the root mean square of their channels' lengths."""

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.scalar_norm = nn.LayerNorm(size[0]) if size[0] else None

    def forward(self, state):
        scalar, vector = state
        if self.scalar_norm is not None:
            scalar = self.scalar_norm(scalar)
        square = vector.square().sum(dim=1).clamp_min(SMALLEST_SQUARE).mean(dim=1)  # (n,)
        return scalar, vector * square.rsqrt()[:, None, None]


class TupleDropout(nn.Module):
    """Dropout of single scalars and of whole vector channels."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, state):
        scalar, vector = state
        if not self.training or self.rate == 0:
            return state
        channels = F.dropout(vector.new_ones(len(vector), 1, vector.shape[2]), self.rate)
        return F.dropout(scalar, self.rate), vector * channels


class Conv(nn.Module):
    """Messages along the edges, averaged where they arrive.

    The first perceptron of a message sees source, edge and target side by side. Its matrices are cut by columns into
    these three, so that what comes from the nodes is computed once per node and nothing that wide is built: a message
    begins as the sum of three rows, those of its source, its target and its edge.
    """

    def __init__(self, node: tuple[int, int], edge: tuple[int, int], message_layers: int):
        super().__init__()
        self.node, self.edge = node, edge
        joined = (2 * node[0] + edge[0], 2 * node[1] + edge[1])
        self.hidden = joined[1]
        self.message_func = nn.Sequential(
            GVP(joined, node, active=True),
            *(GVP(node, node, active=True) for _ in range(message_layers - 2)),
            GVP(node, node),
        )

    def forward(self, state, edge, graph: Graph):
        """Mean message at every node, zero where no edge arrives."""
        scalar_table, hidden_table = (torch.cat(rows) for rows in zip(*self.node_rows(state)))
        edge_scalar, edge_vector, edge_hidden = *edge, self.edge_weights[1]
        means = []
        for nodes, edges in _pieces(graph.offsets):
            rows = torch.stack([graph.source[edges], graph.target[edges] + len(graph)], dim=1)  # (E, 2)
            scalar = F.embedding_bag(rows, scalar_table, mode="sum")
            hidden = F.embedding_bag(rows, hidden_table, mode="sum").view(-1, self.hidden)
            scalar = scalar.addmm_(edge_scalar[edges], self.edge_weights[0].T)
            hidden = hidden.addmm_(edge_vector[edges].reshape(-1, self.edge[1]), edge_hidden.T)
            messages = self.messages(self.first(scalar, hidden.view(-1, 3, self.hidden)))
            offsets = graph.offsets[nodes.start : nodes.stop + 1] - edges.start
            means.append([segment_mean(part, offsets) for part in messages])
        means = [parts[0] if len(parts) == 1 else torch.cat(parts) for parts in zip(*means)]
        return self.apply_last(means, graph.offsets)

    @property
    def edge_weights(self):
        """Columns of the first perceptron's matrices that belong to the edge."""
        first, (scalars, vectors) = self.message_func[0], self.node
        return (
            first.ws.weight[:, scalars : scalars + self.edge[0]],
            first.wh.weight[:, vectors : vectors + self.edge[1]],
        )

    def edge_rows(self, edge):
        """What an edge gives to its message: scalars [E, S] and hidden vectors [E, 3 h]."""
        return tuple((of @ weight.T).flatten(1) for of, weight in zip(edge, self.edge_weights))

    def node_rows(self, state):
        """What a node gives to the messages that it sends and to those that it receives, as `edge_rows`."""
        first, (scalars, vectors) = self.message_func[0], self.node
        scalar, vector = state
        after = scalars + self.edge[0]
        return (
            (
                torch.addmm(first.ws.bias, scalar, first.ws.weight[:, :scalars].T),
                (vector @ first.wh.weight[:, :vectors].T).flatten(1),
            ),
            (
                scalar @ first.ws.weight[:, after : after + scalars].T,
                (vector @ first.wh.weight[:, vectors + self.edge[1] :].T).flatten(1),
            ),
        )

    def first(self, scalar, hidden):
        """The state after the first perceptron, from sums of rows: scalars [E, S] (overwritten), hidden [E, 3, h]."""
        first = self.message_func[0]
        norms = first.ws.weight[:, first.inputs[0] :]
        return first.finish(scalar.addmm_(length(hidden), norms.T), hidden)

    def messages(self, state):
        """What the last perceptron takes, from the state after the first: scalars [E, S], lengths [E, h] and hidden
        vectors [E, 3 h]."""
        *middle, last = self.message_func[1:]
        for perceptron in middle:
            state = perceptron(state)
        hidden = last.wh(state[1])
        return state[0], length(hidden), hidden.flatten(1)

    def apply_last(self, mean, offsets):
        """The last perceptron, once per node: it is linear but for the lengths of its hidden vectors, so that
        scalars, lengths and hidden vectors can be averaged first. No bias where nothing was heard."""
        last = self.message_func[-1]
        scalar, lengths, hidden = mean
        scalars = self.node[0]
        out = last.ws.bias * (offsets[1:] > offsets[:-1]).unsqueeze(1)
        out = out.addmm_(scalar, last.ws.weight[:, :scalars].T).addmm_(lengths, last.ws.weight[:, scalars:].T)
        return out, last.wv(hidden.unflatten(1, (3, last.wh.out_features)))


class Layer(nn.Module):
    """Messages, then a feed-forward part, each added and normalised."""

    def __init__(self, node: tuple[int, int], edge: tuple[int, int], message_layers: int, dropout: float):
        super().__init__()
        self.conv = Conv(node, edge, message_layers)
        self.norm = nn.ModuleList([TupleNorm(node), TupleNorm(node)])
        self.dropout = TupleDropout(dropout)
        wide = (4 * node[0], 2 * node[1])
        self.ff_func = nn.Sequential(GVP(node, wide, active=True), GVP(wide, node))

    def forward(self, state, edge, graph: Graph):
        return self.update(state, self.conv(state, edge, graph))

    def update(self, state, message):
        """The new state out of the old one and the mean message."""
        state = self.norm[0](_sum(state, self.dropout(message)))
        return self.norm[1](_sum(state, self.dropout(self.ff_func(state))))


def _sum(state, change):
    return state[0] + change[0], state[1] + change[1]


def segment_mean(values: torch.Tensor, offsets: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
    """Mean [n, d] over `values[offsets[i]:offsets[i + 1]]`, or over those rows of them; zero where there are none."""
    if rows is None:
        rows = torch.arange(len(values), device=values.device)
    return F.embedding_bag(rows, values, offsets, mode="mean", include_last_offset=True)


def _pieces(offsets: torch.Tensor):
    """Slices of nodes and of the edges that arrive at them: few at a time so that intermediates stay in the cache,
    but all at once in training, where they are kept anyway."""
    nodes, edges = len(offsets) - 1, int(offsets[-1])
    if torch.is_grad_enabled() or edges <= EDGES_AT_ONCE:
        return [(slice(0, nodes), slice(0, edges))]
    offsets, pieces, begin = offsets.cpu(), [], 0
    while begin < nodes:
        limit = offsets[begin] + EDGES_AT_ONCE
        end = max(begin + 1, int(torch.searchsorted(offsets, limit, right=True)) - 1)
        pieces.append((slice(begin, end), slice(int(offsets[begin]), int(offsets[end]))))
        begin = end
    return pieces
