"""Layers: attention of each residue to its neighbours, with a bias and a value from the geometry of the pair."""

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig

QUERIES_AT_ONCE = 512
"""Rows of the attention matrix that are worked on together, so that memory is linear in the length of a protein."""


class NeighbourAttention(nn.Module):
    """Attention over the neighbours of each residue.

    logit(i, j) = q_i . k_j / sqrt(c) + b(e_ij) for the neighbours j of i; the output of a head is the weighted sum of
    v_j and of the pair's states e_ij, which together go through one linear layer.

    Few keys of many are neighbours, yet the logits are made as dense products over blocks of queries: on a processor
    gathering keys and values costs several times more than the products that are thrown away.
    """

    def __init__(self, config: NeighbourhoodConfig):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.bias = nn.Linear(config.edge_width, config.heads, bias=False)
        self.out = nn.Linear(config.width + config.heads * config.edge_width, config.width)

    def forward(self, x, edges, layout):
        """x [R, d], edges [R, k, e], layout `Layout`; gives [R, d]."""
        q, k, v = (
            layout.pad(part).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        bias = self.bias(edges).masked_fill(~layout.valid[..., None], -torch.inf)  # (R, k, h)
        bias, pairs = layout.pad(bias).permute(0, 3, 1, 2), layout.pad(edges)  # (B, h, L, k), (B, L, k, e)
        outputs = []
        for start in range(0, q.shape[2], QUERIES_AT_ONCE):
            rows = slice(start, start + QUERIES_AT_ONCE)
            outputs.append(self._attend(q[:, :, rows], k, v, bias[:, :, rows], pairs[:, rows], layout.index[:, rows]))
        return self.out(layout.unpad(torch.cat(outputs, 1)))

    def _attend(self, q, k, v, bias, pairs, index):
        where = index[:, None].expand(-1, self.heads, -1, -1)  # (B, h, rows, k)
        logits = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5  # (B, h, rows, L)
        near = torch.softmax(logits.gather(-1, where) + bias.to(logits.dtype), -1)  # (B, h, rows, k)
        near = near.to(v.dtype)
        weights = torch.zeros_like(logits).scatter_add(-1, where, near.to(logits.dtype))
        values = (weights @ v).transpose(1, 2).flatten(2)  # (B, rows, d)
        seen = (near.transpose(1, 2) @ pairs).flatten(2)  # (B, rows, h e)
        return torch.cat([values, seen], -1)


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
    index : int64 [B, L, k]
        The same within each protein, padded.
    """

    def __init__(self, neighbour, valid, offsets):
        self.neighbour, self.valid, self.offsets = neighbour, valid, offsets
        self.lengths = offsets.diff()
        longest = int(self.lengths.max())
        inside = torch.arange(longest, device=offsets.device) < self.lengths[:, None]  # (B, L)
        self.shape, self.rows = inside.shape, inside.flatten().nonzero().squeeze(1)
        self.protein = torch.repeat_interleave(torch.arange(len(self.lengths), device=offsets.device), self.lengths)
        self.index = self.pad(neighbour - offsets[:-1][self.protein][:, None])

    def pad(self, x):
        """[R, ...] as [B, L, ...], zero where a protein has no residue."""
        padded = x.new_zeros((self.shape.numel(), *x.shape[1:])).index_copy(0, self.rows, x)
        return padded.unflatten(0, self.shape)

    def unpad(self, x):
        return x.flatten(0, 1).index_select(0, self.rows)

    def mean(self, x):
        """Mean over each protein, [B, ...]."""
        total = x.new_zeros((len(self.lengths), *x.shape[1:]), dtype=torch.promote_types(x.dtype, torch.float32))
        total = total.index_add(0, self.protein, x.to(total.dtype))
        return (total / self.lengths[:, None]).to(x.dtype)

    def repeat(self, x):
        """[B, ...] as [R, ...]."""
        return x[self.protein]
