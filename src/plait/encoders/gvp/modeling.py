"""The network: geometric vector perceptrons whose vectors are gated by scalars, on a graph of residues or atoms.

Source: Jing et al. 2021, Equivariant Graph Neural Networks for 3D Macromolecular Structure, as the recipes of SiamDiff
use it; specs/siamdiff.md, section 4. Vectors are kept as (n, 3, channels). `state_dict()` has the published names and
shapes.
"""

import torch
from torch import nn

from plait.encoders.gvp.configuration import GvpConfig
from plait.structure.vocabulary import RESIDUES
from plait.tokenizers.gvp_network import TupleDropout, TupleNorm, length

FARTHEST = 20.0
"""Centre of the last Gaussian of distance, angstrom."""


class GatedPerceptron(nn.Module):
    """Geometric vector perceptron from `inputs` to `outputs`, each (scalars, vector channels).

    Vectors are scaled by a gate that is read off the scalars before their activation, which is a relu with `active`.
    Without vectors in the input those of the output are zero.
    """

    def __init__(self, inputs: tuple[int, int], outputs: tuple[int, int], *, active: bool = False):
        super().__init__()
        self.inputs, self.outputs, self.active = inputs, outputs, active
        hidden = max(inputs[1], outputs[1]) if inputs[1] else 0
        self.wh = nn.Linear(inputs[1], hidden, bias=False) if hidden else None
        self.ws = nn.Linear(inputs[0] + hidden, outputs[0])
        self.wv = nn.Linear(hidden, outputs[1], bias=False) if hidden and outputs[1] else None
        self.wsv = nn.Linear(outputs[0], outputs[1]) if self.wv else None

    def forward(self, state):
        scalar, vector = state
        if self.wh is None:
            return self.finish(self.ws(scalar), vector)
        hidden = self.wh(vector)  # (n, 3, h)
        return self.finish(self.ws(torch.cat([scalar, length(hidden)], dim=-1)), hidden)

    def finish(self, scalar: torch.Tensor, hidden: torch.Tensor):
        """The state out of the scalars before their activation [n, so] and the hidden vectors [n, 3, h]."""
        if self.wv is None:
            vector = hidden.new_zeros(len(scalar), 3, self.outputs[1])
        else:
            vector = self.wv(hidden) * torch.sigmoid(self.wsv(scalar)).unsqueeze(1)
        return torch.relu(scalar) if self.active else scalar, vector


class Messages(nn.Module):
    """Messages along the edges, averaged where they arrive.

    The first perceptron of a message sees source, edge and target side by side. Its matrices are cut by columns into
    these three, so that what comes from a node is computed once per node and not once per edge.
    """

    def __init__(self, node: tuple[int, int], edge: tuple[int, int]):
        super().__init__()
        joined = (2 * node[0] + edge[0], 2 * node[1] + edge[1])
        self.sizes = [[node[of], edge[of], node[of]] for of in (0, 1)]  # columns of source, edge, target
        self.message_func = nn.Sequential(
            GatedPerceptron(joined, node, active=True),
            GatedPerceptron(node, node, active=True),
            GatedPerceptron(node, node),
        )

    def forward(self, state, edge, source, target):
        """Mean message at every node, zero where no edge arrives."""
        first, *others = self.message_func
        scalars, width = sum(self.sizes[0]), first.wh.out_features
        parts = zip(
            first.ws.weight[:, :scalars].split(self.sizes[0], dim=1), first.wh.weight.split(self.sizes[1], dim=1)
        )
        from_source, from_edge, from_target = (
            (scalar @ of_scalar.T, vector @ of_vector.T)
            for (of_scalar, of_vector), (scalar, vector) in zip(parts, (state, edge, state))
        )
        hidden = from_source[1][source] + from_edge[1] + from_target[1][target]  # (E, 3, h)
        scalar = from_source[0][source] + from_edge[0] + from_target[0][target]  # (E, so)
        scalar = scalar + length(hidden) @ first.ws.weight[:, scalars:].T + first.ws.bias
        message = first.finish(scalar, hidden.view(-1, 3, width))
        for perceptron in others:
            message = perceptron(message)
        heard = target.bincount(minlength=len(state[0])).clamp(min=1)
        return tuple(
            part.new_zeros(len(heard), *part.shape[1:]).index_add(0, target, part)
            / heard.view(-1, *[1] * (part.dim() - 1))
            for part in message
        )


class Layer(nn.Module):
    """Messages, then a feed-forward part, each added and normalised."""

    def __init__(self, node: tuple[int, int], edge: tuple[int, int], dropout: float):
        super().__init__()
        self.conv = Messages(node, edge)
        self.norm = nn.ModuleList([TupleNorm(node), TupleNorm(node)])
        self.dropout = TupleDropout(dropout)
        wide = (4 * node[0], 2 * node[1])
        self.ff_func = nn.Sequential(GatedPerceptron(node, wide, active=True), GatedPerceptron(wide, node))

    def forward(self, state, edge, source, target):
        state = self.norm[0](_sum(state, self.dropout(self.conv(state, edge, source, target))))
        return self.norm[1](_sum(state, self.dropout(self.ff_func(state))))


def _sum(state, change):
    return state[0] + change[0], state[1] + change[1]


class Gvp(nn.Module):
    """Scalars of every node, which do not change when the structure is turned or moved."""

    def __init__(self, config: GvpConfig):
        super().__init__()
        self.config = config
        node, edge, width = config.node_hidden, config.edge_hidden, config.node_input
        self.residue_embdding = nn.Linear(len(RESIDUES), width, bias=False)  # spelt as published
        self.embedding = nn.Embedding(config.elements, width) if config.elements else None
        self.W_v = nn.Sequential(TupleNorm((width, 0)), GatedPerceptron((width, 0), node))
        self.W_e = nn.Sequential(TupleNorm((config.distances, 1)), GatedPerceptron((config.distances, 1), edge))
        self.layers = nn.ModuleList(Layer(node, edge, config.dropout) for _ in range(config.layers))
        self.W_out = nn.Sequential(TupleNorm(node), GatedPerceptron(node, (node[0], 0), active=True))

    def forward(self, residue, element, source, target, position) -> torch.Tensor:
        """Scalars [N, width], not negative.

        Parameters
        ----------
        residue : int64 [N]
            Column of the residue's type; -1 for none.
        element : int64 [N] or None
            Column of the atom's element; None at residue level.
        source, target : int64 [E]
        position : float [N, 3], angstrom
        """
        known = residue[:, None] == torch.arange(len(RESIDUES), device=residue.device)
        scalar = self.residue_embdding(known.to(self.residue_embdding.weight.dtype))
        if self.embedding is not None:
            scalar = scalar + self.embedding(element)
        state = self.W_v((scalar, scalar.new_zeros(len(scalar), 3, 0)))
        edge = self.W_e(self.edge_state(position[target] - position[source], scalar.dtype))
        for layer in self.layers:
            state = layer(state, edge, source, target)
        return self.W_out(state)[0]

    def edge_state(self, vector: torch.Tensor, dtype: torch.dtype):
        """Gaussians of the length [E, distances], and the vector [E, 3, 1], of vectors [E, 3]."""
        centres = torch.linspace(0, FARTHEST, self.config.distances, dtype=vector.dtype, device=vector.device)
        width = FARTHEST / self.config.distances
        scalar = torch.exp(-(((vector.norm(dim=-1, keepdim=True) - centres) / width) ** 2))
        return scalar.to(dtype), vector.unsqueeze(-1).to(dtype)
