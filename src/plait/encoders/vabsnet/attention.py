"""Attention along the edges of a track."""

import torch
from torch import nn

from plait.encoders.blocks.initialisation import linear
from plait.encoders.blocks.neighbour_attention import Lists, attend, attention_weights
from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.graph import Track


class TrackAttention(nn.Module):
    """Attention of each node to its senders, with a bias from the edge for each head (specs/vabsnet.md, section 4).

    `forward(x [nodes, d], edges [E, edge_width], links)` gives float [nodes, d]; `links` is `Links(track)`.
    """

    def __init__(self, config: VabsnetConfig):
        super().__init__()
        width = config.width
        self.heads, self.dropout = config.heads, config.attention_dropout
        self.query = linear(width, width, "glorot", bias=False)
        self.key = linear(width, width, "glorot", bias=False)
        self.value = linear(width, width, "glorot", bias=False)
        self.output = linear(width, width, config.final)
        # softmax does not see a constant: the published bias of the bias does nothing
        self.bias = linear(config.edge_width, config.heads, bias=config.compat)

    def forward(self, x, edges, links: "Links"):
        query, key, bias = query_key_bias(self, x, edges)
        value = self.value(x).unflatten(-1, (self.heads, -1))
        dropout = self.dropout if self.training else 0.0
        found = [
            attend(query[rows], key, value, links.part(bias, number), lists, mask, dropout)
            for number, (rows, lists, mask) in enumerate(links.parts)
        ]
        return self.output(links.gather(found).flatten(-2))


def query_key_bias(module, x, edges):
    """Scaled queries and keys [nodes, H, c] and the edges' biases [E, H], by a module's `query`, `key` and `bias`."""
    query = module.query(x).unflatten(-1, (module.heads, -1))  # (nodes, H, c)
    return query * query.shape[-1] ** -0.5, module.key(x).unflatten(-1, (module.heads, -1)), module.bias(edges)


class Links:
    """What attention needs of a track, worked out once for all layers: two tables of senders, that of the ordinary
    nodes, and that of the special ones, which is padded here and nowhere else.

    `parts` holds of each: receiving rows [n], the `Lists` of their senders [n, W], mask [n, W].
    """

    def __init__(self, track: Track):
        slots, mask = track.far_slots()
        self.near_edges, self.near_shape, self.slots = track.near_edges, track.near.shape, slots
        self.parts = [(track.near_rows, Lists(track.near, track.nodes), track.near_mask)]
        if slots.numel():
            self.parts.append((track.far_rows, Lists(track.far[slots], track.nodes), mask))
        self.outputs = track.outputs()

    def part(self, values: torch.Tensor, number: int) -> torch.Tensor:
        """Of values per edge [E, ...] those of the ordinary (0) or the special nodes (1), as [n, W, ...]."""
        if number == 0:
            return values[: self.near_edges].view(*self.near_shape, *values.shape[1:])
        return values[self.near_edges :][self.slots]

    def gather(self, found: list[torch.Tensor]) -> torch.Tensor:
        """The results of the parts as values per node; zero for a node that receives nothing."""
        rows = torch.cat([*found, found[0].new_zeros(1, *found[0].shape[1:])])
        # special nodes without any sender have no part
        return rows[self.outputs.clamp(max=len(rows) - 1)]


class PositionHead(nn.Module):
    """Where each node should be: a displacement from the senders' directions (specs/vabsnet.md, section 4, heads).

    `forward(x, edges, position [nodes, 3], links)` gives displacements [nodes, 3] in angstrom, which turn with the
    positions: sum over heads and senders of weight times (x_i - x_j) times a number from the sender's value. The
    published program takes another number for each axis, and a bias, so that its displacements do not turn.
    """

    def __init__(self, config: VabsnetConfig):
        super().__init__()
        width = config.width
        self.heads = config.heads
        separate = config.position_projections == "separate"
        self.node_norm = nn.LayerNorm(width) if config.norm == "pre" else None
        self.edge_norm = nn.LayerNorm(config.edge_width) if config.norm == "pre" else None
        self.query = linear(width, width, "glorot", bias=False)
        self.key = linear(width, width, "glorot", bias=False)
        self.value = linear(width, width, "glorot", bias=False)
        self.bias = linear(config.edge_width, config.heads, bias=config.compat)
        self.force = nn.ModuleList(linear(width, 1, config.final, bias=separate) for _ in range(3 if separate else 1))

    def forward(self, x, edges, position, links: Links):
        if self.node_norm is not None:
            x, edges = self.node_norm(x), self.edge_norm(edges)
        query, key, bias = query_key_bias(self, x, edges)
        value = self.value(x)
        # the projection before the sum: H numbers per sender and axis instead of d
        amounts = [(value * force.weight).unflatten(-1, (self.heads, -1)).sum(-1) for force in self.force]
        amounts = torch.stack(amounts, -1)  # (nodes, H, 1 or 3)
        found = []
        for number, (rows, lists, mask) in enumerate(links.parts):
            weights = attention_weights(query[rows], key, links.part(bias, number), lists, mask)  # (n, W, H)
            share = torch.einsum("nwh,nwha->nwa", weights, amounts[lists.index])
            apart = position[rows][:, None] - position[lists.index]  # (n, W, 3)
            found.append((share * apart.nan_to_num().to(share.dtype)).sum(1))
        displacement = links.gather(found)
        if self.force[0].bias is not None:
            displacement = displacement + torch.cat([force.bias for force in self.force])
        return displacement
