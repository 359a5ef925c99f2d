"""Layers: attention of each residue to its neighbours, with a bias and a value from the geometry of the pair."""

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.blocks.neighbour_attention import Lists, attention_weights, weighted_sums
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig


class NeighbourAttention(nn.Module):
    """Attention over the neighbours of each residue.

    logit(i, j) = q_i . k_j / sqrt(c) + b(e_ij) for the neighbours j of i; the output of a head is the weighted sum of
    v_j and of the pair's states e_ij, which together go through one linear layer.
    """

    def __init__(self, config: NeighbourhoodConfig):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.bias = nn.Linear(config.edge_width, config.heads, bias=False)
        self.out = nn.Linear(config.width + config.heads * config.edge_width, config.width)

    def forward(self, x, edges, layout):
        """x [R, d], edges [R, k, e], layout `Layout`; gives [R, d]."""
        query, key, value = (part.unflatten(-1, (self.heads, -1)) for part in self.qkv(x).chunk(3, -1))
        query = query * query.shape[-1] ** -0.5
        weights = attention_weights(query, key, self.bias(edges), layout.lists, layout.valid)  # (R, k, h)
        values = weighted_sums(weights, value, layout.lists)  # (R, h, c)
        pairs = weights.to(edges.dtype).transpose(1, 2) @ edges  # (R, h, e)
        return self.out(torch.cat([values.flatten(1), pairs.flatten(1)], -1))


class EdgeUpdate(nn.Module):
    """New states of pairs from their old ones and those of both residues."""

    def __init__(self, config: NeighbourhoodConfig):
        super().__init__()
        hidden = 2 * config.edge_width
        self.norm = nn.LayerNorm(config.edge_width)
        self.pair = nn.Linear(config.edge_width, hidden)
        self.here = nn.Linear(config.width, hidden, bias=False)
        self.there = nn.Linear(config.width, hidden, bias=False)
        self.out = nn.Linear(hidden, config.edge_width)

    def forward(self, x, edges, layout):
        there = self.there(x).index_select(0, layout.neighbour.flatten()).view(*layout.neighbour.shape, -1)
        return edges + self.out(F.gelu(self.pair(self.norm(edges)) + self.here(x)[:, None] + there))


class Layer(nn.Module):
    """Attention, a feed-forward block that also hears the mean of the protein, and the update of pairs."""

    def __init__(self, config: NeighbourhoodConfig, last: bool):
        super().__init__()
        inside = config.feed_forward * config.width
        self.attention_norm = nn.LayerNorm(config.width)
        self.edge_norm = nn.LayerNorm(config.edge_width)
        self.attention = NeighbourAttention(config)
        self.norm = nn.LayerNorm(config.width)
        self.inner = nn.Linear(config.width, inside)
        self.whole = nn.Linear(config.width, inside, bias=False)
        self.outer = nn.Linear(inside, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.update = EdgeUpdate(config) if config.edge_updates and not last else None

    def forward(self, x, edges, layout):
        x = x + self.dropout(self.attention(self.attention_norm(x), self.edge_norm(edges), layout))
        y = self.norm(x)
        inner = self.inner(y) + layout.repeat(self.whole(layout.mean(y)))
        x = x + self.dropout(self.outer(F.gelu(inner)))
        if self.update is not None:
            edges = self.update(x, edges, layout)
        return x, edges


class Layout:
    """Where the residues of a ragged batch stand, and who is whose neighbour.

    Attributes
    ----------
    neighbour : int64 [R, k]
        Rows of the neighbours in the batch; the residue itself where there are fewer.
    valid : bool [R, k]
    """

    def __init__(self, neighbour, valid, offsets):
        self.neighbour, self.valid = neighbour, valid
        self.lists = Lists(neighbour, len(neighbour))
        self.lengths = offsets.diff()
        self.protein = torch.repeat_interleave(torch.arange(len(self.lengths), device=offsets.device), self.lengths)

    def mean(self, x):
        """Mean over each protein, [B, ...]."""
        total = x.new_zeros((len(self.lengths), *x.shape[1:]), dtype=torch.promote_types(x.dtype, torch.float32))
        total = total.index_add(0, self.protein, x.to(total.dtype))
        return (total / self.lengths[:, None]).to(x.dtype)

    def repeat(self, x):
        """[B, ...] as [R, ...]."""
        return x[self.protein]
