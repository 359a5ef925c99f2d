"""The Vabs-Net as plain modules: two tracks of attention that share the residues' nodes."""

import dataclasses

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from plait.encoders.blocks.perceptrons import FeedForward, NormedPerceptron, drop_rows
from plait.encoders.vabsnet.attention import Links, TrackAttention
from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.edges import EdgeEncoder
from plait.encoders.vabsnet.features import VabsnetBatch
from plait.encoders.vabsnet.published import ATOM_TYPES, PADDING, RESIDUE_TYPES


@dataclasses.dataclass
class VabsnetOutput:
    """What the network gives.

    Attributes
    ----------
    nodes : float [M, d]
        Vectors of all nodes, in the batch's order.
    hidden : list of float [M, d]
        After each layer.
    atom_edges : float [E, edge_width] or None
    residue_edges : float [E, edge_width]
        As the layers read them.
    """

    nodes: torch.Tensor
    hidden: list[torch.Tensor]
    atom_edges: torch.Tensor | None
    residue_edges: torch.Tensor


class TrackBlock(nn.Module):
    """Attention and feed-forward branch of one track in one layer."""

    def __init__(self, config: VabsnetConfig, drop: float):
        super().__init__()
        self.post, self.drop = config.norm == "post", drop
        self.attention = TrackAttention(config)
        self.attention_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config.width, config.feed_forward, config.activation_dropout, config.final)
        self.feed_forward_norm = nn.LayerNorm(config.width)

    def forward(self, x, edges, links: Links):
        x = self._branch(x, self.attention_norm, lambda y: self.attention(y, edges, links))
        return self._branch(x, self.feed_forward_norm, self.feed_forward)

    def _branch(self, x, norm, function):
        if self.post:
            return norm(x + drop_rows(function(x), self.drop, self.training))
        return x + drop_rows(function(norm(x)), self.drop, self.training)


class VabsnetLayer(nn.Module):
    """The atom track on all nodes, then the residue track on its own."""

    def __init__(self, config: VabsnetConfig, drop: float):
        super().__init__()
        self.atom = None if config.residue_only else TrackBlock(config, drop)
        self.residue = TrackBlock(config, drop)

    def forward(self, x, atom_edges, residue_edges, tables: "Tables"):
        if self.atom is None:
            return self.residue(x, residue_edges, tables.residue_links)
        x = self.atom(x, atom_edges, tables.atom_links)
        y = self.residue(x[tables.residue_nodes], residue_edges, tables.residue_links)
        return torch.cat([x, y])[tables.replacement]


class Tables:
    """Index tables of a batch, made once for all layers."""

    def __init__(self, batch: VabsnetBatch):
        self.residue_nodes = batch.residue_nodes
        self.residue_links = Links(batch.residue)
        self.atom_links = Links(batch.atom) if batch.atom is not None else None
        nodes = len(batch.atom_type)
        # where each node's vector stands when those of the residue track are put below all
        self.replacement = torch.arange(nodes, device=batch.atom_type.device)
        self.replacement[batch.residue_nodes] = nodes + torch.arange(
            len(batch.residue_nodes), device=batch.atom_type.device
        )


class VabsnetModel(nn.Module):
    """The network without heads: `forward(batch)` gives a `VabsnetOutput`. Source: specs/vabsnet.md, section 4."""

    def __init__(self, config: VabsnetConfig):
        super().__init__()
        self.config = config
        self.residue_embedding = nn.Embedding(RESIDUE_TYPES, config.width, padding_idx=PADDING)
        self.residue_edges = EdgeEncoder(config)
        self.atom_embedding = self.atom_edges = None
        if not config.residue_only:
            self.atom_embedding = nn.Embedding(ATOM_TYPES, config.width)
            self.atom_edges = EdgeEncoder(config)
        self.language = None
        if config.language_width:
            self.language = NormedPerceptron(config.language_width, config.width, final="glorot")
        self.node_norm = self.edge_norm = None
        if config.norm == "post":
            self.node_norm = nn.LayerNorm(config.width)
            self.edge_norm = nn.LayerNorm(config.edge_width)
        rate = config.drop_path / max(1, config.layers - 1)
        self.layers = nn.ModuleList(VabsnetLayer(config, rate * number) for number in range(config.layers))

    def forward(self, batch: VabsnetBatch) -> VabsnetOutput:
        x = self._nodes(batch)
        tables = Tables(batch)
        types = batch.residue_type[batch.residue_nodes]
        residue_edges = self._keep(self.residue_edges, batch.residue, types)
        if self.edge_norm is not None:
            # not those of the atom track: so it was published, and weights are only good with that
            residue_edges = self.edge_norm(residue_edges)
        atom_edges = None if self.atom_edges is None else self._keep(self.atom_edges, batch.atom, batch.atom_type)
        hidden = []
        for layer in self.layers:
            x = self._keep(layer, x, atom_edges, residue_edges, tables)
            hidden.append(x)
        if self.config.compat and self.config.residue_only:
            hidden = [x] * len(hidden)  # the published list holds one tensor that every layer writes into
        return VabsnetOutput(x, hidden, atom_edges, residue_edges)

    def _nodes(self, batch):
        x = self.residue_embedding(batch.residue_type)  # (M, d)
        if self.atom_embedding is not None:
            x = x + self.atom_embedding(batch.atom_type)
        if self.language is not None:
            dtype = self.residue_embedding.weight.dtype
            x = x + self.language(batch.language.to(dtype))[batch.residue_of_node]
        return x if self.node_norm is None else self.node_norm(x)

    def _keep(self, function, *arguments):
        """Call it, and with checkpointing keep nothing from inside."""
        if self.config.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(function, *arguments, use_reentrant=False)
        return function(*arguments)
