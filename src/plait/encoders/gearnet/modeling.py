"""The network: relational convolutions on nodes, and on edges that follow one another.

Source: Zhang et al. 2023 (GearNet), sections 3.2 and 3.3; specs/siamdiff.md, section 3. `state_dict()` has the
published names and shapes.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from plait.encoders.blocks.relational import Relation, relational_sum, relations
from plait.encoders.blocks.relational_rows import RowBlocks, sum_by_rows
from plait.encoders.gearnet.configuration import GearNetConfig
from plait.encoders.gearnet.line_graph import LineGraph, line_graph

SHARED_FROM = 256
"""Width from which it pays to leave out the sums between edges that are empty or equal: they are a quarter, and finding
them and adding up the rest one by one costs as much as the products that they save at half this width."""


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that uses the running statistics for a single row, which has no spread of its own."""

    def forward(self, x):
        if self.training and len(x) > 1:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class RelationalConv(nn.Module):
    """A matrix for each relation and one for the node itself, normalised, ReLU."""

    def __init__(self, inputs: int, outputs: int, relations: int, batch_norm: bool):
        super().__init__()
        self.linear = nn.Linear(relations * inputs, outputs)
        self.self_loop = nn.Linear(inputs, outputs)
        self.batch_norm = BatchNorm(outputs) if batch_norm else None

    def message(self, x: torch.Tensor, parts: list[Relation] | RowBlocks, targets: int) -> torch.Tensor:
        """What arrives at each target from rows of x, without bias: [targets, d_out]."""
        if isinstance(parts, RowBlocks):
            return sum_by_rows(x, self.linear.weight, parts)
        return relational_sum(x, self.linear.weight, parts, targets)

    def forward(self, x: torch.Tensor, message: torch.Tensor) -> torch.Tensor:
        """The new rows [N, d_out] from the old ones [N, d_in] and what arrived at them [N, d_out]."""
        y = F.linear(x, self.self_loop.weight, self.self_loop.bias + self.linear.bias).add_(message)
        if self.batch_norm is not None:
            y = self.batch_norm(y)
        return F.relu(y, inplace=True)


class GearNet(nn.Module):
    """GearNet, and with `angle_bins` GearNet-Edge."""

    def __init__(self, config: GearNetConfig):
        super().__init__()
        self.config = config
        count, widths = config.rules.relations, (config.node_input, *config.hidden)
        self.layers = nn.ModuleList(
            RelationalConv(a, b, count, config.batch_norm) for a, b in itertools.pairwise(widths)
        )
        if config.angle_bins:
            edge_widths = (config.edge_input, *widths)
            self.edge_layers = nn.ModuleList(
                RelationalConv(a, b, config.angle_bins, config.batch_norm)
                for a, b in itertools.pairwise(edge_widths[:-1])
            )
        if config.batch_norm:
            self.batch_norms = nn.ModuleList(BatchNorm(width) for width in config.hidden)

    def forward(
        self,
        node: torch.Tensor,
        edge: torch.Tensor | None,
        source: torch.Tensor,
        target: torch.Tensor,
        relation: torch.Tensor,
        position: torch.Tensor,
    ) -> torch.Tensor:
        """Vectors [N, width] of the nodes.

        Parameters
        ----------
        node : float [N, node_input]
        edge : float [E, edge_input]
            Not read without `angle_bins`.
        source, target, relation : int64 [E]
        position : float [N, 3]
            For the angles between edges.
        """
        config, nodes = self.config, len(node)
        count = config.rules.relations
        from_nodes = relations(source, target, relation, count)
        if config.angle_bins:
            # by source, so that edges that meet the same edges stand together in memory
            order = (source * nodes + target).argsort(stable=True)
            edge, source, target, relation = edge[order], source[order], target[order], relation[order]
            lines = line_graph(source, target, position, config.angle_bins)
            between = lines.relations if max(config.hidden) >= SHARED_FROM else lines.rows
            between = between(config.angle_bins)
            row = torch.arange(len(source), device=source.device)
            from_edges = relations(row, target, relation, count)
        x, hidden = node, []
        for number, layer in enumerate(self.layers):
            h = layer(x, layer.message(x, from_nodes, nodes))
            if config.short_cut and h.shape == x.shape:
                h = h + x
            if config.angle_bins:
                edge = between_edges(self.edge_layers[number], edge, lines, between)
                # the same matrix and bias as on the nodes
                h = h + F.relu(layer.message(edge, from_edges, nodes) + layer.linear.bias)
            if config.batch_norm:
                h = self.batch_norms[number](h)
            hidden.append(h)
            x = h
        return torch.cat(hidden, dim=-1) if config.concat_hidden else x


def between_edges(layer: RelationalConv, edge: torch.Tensor, lines: LineGraph, parts) -> torch.Tensor:
    """One convolution on the line graph: edges [E, d_in] to edges [E, d_out]. Messages are those between pairs."""
    pairs = len(lines.pair)
    if lines.pair_of is None:
        return layer(edge, layer.message(edge, parts, pairs))
    of_pairs = edge.new_zeros(pairs, edge.shape[1]).index_add(0, lines.pair_of, edge)
    return layer(edge, layer.message(of_pairs, parts, pairs).index_select(0, lines.pair_of))
