"""Attention between residues, positions and structure tokens, without the matrices that need not be there.

The score of specs/prosst.md, B4, is one product of concatenated vectors and two position terms (B5):

    [q ; u]_i . [k + s ; k]_j   +   q_i . P_(i-j)   +   Q_(i-j) . k_j

A product of 128 rows with the position table, laid out by distance, holds the term of (i, j) in a column that moves by
one from row to row: a view with a row stride one less than the width is the bias, and nothing is gathered.

All that products write or read has rows of a multiple of 16 (`position_tables.ALIGNED`).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.prosst.attention_batch import attend_batch
from plait.encoders.prosst.configuration import ProsstConfig
from plait.encoders.prosst.position_tables import ALIGNED, PositionTables, aligned

BLOCK = 128
"""Query or key rows that meet the position table at a time."""

SCORE_BYTES = 3 * 2**20
"""Memory for the scores of the heads that are computed together in inference: they stay in a processor's cache."""


class ProsstSelfAttention(nn.Module):
    """Self-attention of one layer.

    `forward(hidden [B, L, D], structure [B, L, D] or None, positions [2M, D] or None, mask, spans)` gives the context
    [B, L, D]; `mask` is a bool [B, L] of real tokens, and `spans` what `sequence_spans` says of it, or a bool
    [B, L, L] of pairs.
    """

    def __init__(self, config: ProsstConfig):
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.head_size = config.head_size
        self.scale = 1 / math.sqrt(config.head_size * (1 + len(config.pos_att_type)))
        self.corrected = config.structure_to_residue == "corrected"
        self.dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.pos_proj = nn.Linear(width, width, bias=False) if config.has_term("aa2pos") else None
        self.pos_q_proj = nn.Linear(width, width) if config.has_term("pos2aa") else None
        self.ss_proj = nn.Linear(width, width, bias=False) if config.has_term("aa2ss") else None
        self.ss_q_proj = nn.Linear(width, width) if config.has_term("ss2aa") else None
        rotary = config.position_embedding_type == "rotary" and config.relative_attention
        self.rotary_embeddings = RotaryEmbeddings(config.head_size) if rotary else None
        self.tables = PositionTables(self.heads, config.table_reach, self.scale, config.hidden_dropout_prob)

    def forward(self, hidden, structure, positions, mask, spans, return_probabilities=False):
        left, right, query, key, value = self._vectors(hidden, structure)
        tables = self.tables(positions, hidden.shape[1], self.pos_proj, self.pos_q_proj, self.training)
        dropout = self.dropout if self.training else 0.0
        if mask.dim() == 3 or return_probabilities:
            context, probabilities = attend_dense(left, right, query, key, value, tables, mask, dropout)
            return context.transpose(1, 2).flatten(2), probabilities
        # in training also without gradients, where checkpointing must draw the same dropout twice
        if torch.is_grad_enabled() or self.training:
            context = attend_batch(left, right, query, key, value, tables, mask, dropout)
            return context.transpose(1, 2).flatten(2), None
        contexts = []
        vectors = (x.unbind(0) for x in (left, right, query, key, value))
        for (length, key_bias), *sequence in zip(spans, *vectors, strict=True):
            context = attend(*(x[:, :length] for x in sequence), tables, key_bias)
            contexts.append(F.pad(context, (0, 0, 0, hidden.shape[1] - length)))
        context = torch.stack(contexts)
        if any(key_bias is not None for _, key_bias in spans):
            context = context * mask[:, :, None]
        return context, None

    def _split(self, x):
        return x.unflatten(-1, (self.heads, self.head_size)).transpose(1, 2)  # (B, H, L, c)

    def _vectors(self, hidden, structure):
        """What stands on the left and right of the content product, and query, key, value: each (B, H, L, .).

        The queries and everything that takes their place are divided by z.
        """
        query = self._split(self.query(hidden).mul_(self.scale))
        key = self._split(self.key(hidden))
        value = self._split(self.value(hidden))
        if self.rotary_embeddings is not None:
            query, key = self.rotary_embeddings(query, key)
        left, right = query, key
        if self.ss_proj is not None:
            right = key + self._split(self.ss_proj(structure))
        if self.ss_q_proj is not None:
            if self.corrected:
                structure_query = self._split(self.ss_q_proj(structure).mul_(self.scale))
                if right is key:
                    left = query + structure_query
                else:
                    left, right = torch.cat((query, structure_query), -1), torch.cat((right, key), -1)
            else:
                left, right = torch.cat((query, key), -1), torch.cat((right, query), -1)
        return left, right, query, key, value


class RotaryEmbeddings(nn.Module):
    """Rotation of queries and keys by their position (halves convention)."""

    def __init__(self, head_size: int):
        super().__init__()
        self.register_buffer("inv_freq", self.frequencies(head_size))  # part of the published layout

    @staticmethod
    def frequencies(head_size: int) -> torch.Tensor:
        """10000^(-2m/c), (c/2)."""
        return 10000.0 ** (-torch.arange(0, head_size, 2, dtype=torch.float32) / head_size)

    def forward(self, *vectors):
        position = torch.arange(vectors[0].shape[-2], device=vectors[0].device)
        # not from the buffer, which is rounded where the model is in half precision
        angle = position[:, None] * self.frequencies(vectors[0].shape[-1]).to(position.device)  # (L, c/2)
        cos, sin = (f.repeat(1, 2).to(vectors[0].dtype) for f in (angle.cos(), angle.sin()))
        rotated = []
        for x in vectors:
            first, second = x.chunk(2, -1)
            rotated.append(x * cos + torch.cat((-second, first), -1) * sin)
        return rotated


def attend(left, right, query, key, value, tables, key_bias=None):
    """Attention of one sequence without gradients: vectors (H, L, .), a `PositionTable` or None for each term; gives
    (L, D).

    Few heads are computed together, and the largest thing made is their scores.
    """
    heads, length = value.shape[:2]
    width = aligned(length)
    together = max(1, min(heads, SCORE_BYTES // max(1, length * width * value.element_size())))
    padded = value.new_empty(together, length, width)
    context = value.new_empty(length, heads, value.shape[2])
    for first in range(0, heads, together):
        some = slice(first, first + together)
        vectors = (x[some] for x in (left, right, query, key, value))
        terms = (table and table._replace(columns=table.columns[some]) for table in tables)
        context[:, some] = _attend_heads(*vectors, *terms, key_bias, padded[: heads - first]).transpose(0, 1)
    return context.flatten(1)


def _attend_heads(left, right, query, key, value, towards, backwards, key_bias, padded):
    """Context (heads, L, c); `padded` (heads, L, L or more) is written over."""
    length = value.shape[1]
    scores = padded[:, :, :length]
    padded[:, :, length:] = -torch.inf
    if backwards is not None:
        for start in range(0, length, BLOCK):
            scores[:, :, start : start + BLOCK] = position_term(key, backwards, start).transpose(1, 2)
    torch.baddbmm(scores, left, right.transpose(1, 2), beta=int(backwards is not None), out=scores)
    if towards is not None:
        for start in range(0, length, BLOCK):
            scores[:, start : start + BLOCK] += position_term(query, towards, start)
    if key_bias is not None:
        scores += key_bias
    torch.softmax(padded, -1, out=padded)
    return torch.bmm(scores, value)


def position_term(vectors, table, start):
    """Products of a block of `vectors` (H, L, c) from row `start` on with a `PositionTable`: (H, n, L).

    Element (a, b) is vectors[start + a] . (column of distance b - (start + a)). It is a view of the product of the
    block with all columns that it meets.
    """
    length = vectors.shape[1]
    block = vectors[:, start : start + BLOCK]
    middle = table.zero - start  # the column that the block's first row meets first
    begin = (middle - block.shape[1] + 1) // ALIGNED * ALIGNED
    product = torch.bmm(block, table.columns[:, :, begin : aligned(middle + length)])
    return skew(product, middle - begin, length)


def skew(product, first, columns):
    """The view (H, n, columns) of `product` (H, n, W) whose element (a, b) is product[a, first - a + b]."""
    heads, rows, width = product.shape
    return product.as_strided((heads, rows, columns), (rows * width, width - 1, 1), first)


def attend_dense(left, right, query, key, value, tables, mask, dropout=0.0):
    """Attention of a batch (B, H, L, .) with every matrix made: context (B, H, L, c), probabilities (B, H, L, L).

    For a `mask` of pairs (B, L, L), and where the probabilities themselves are asked for.
    """
    towards, backwards = tables
    pair = mask[:, None] if mask.dim() == 3 else mask[:, None, :, None] & mask[:, None, None, :]
    score = left @ right.transpose(-1, -2)
    distance = torch.arange(score.shape[-1], device=score.device)
    distance = distance - distance[:, None]  # b - a
    for vectors, table, transpose in ((query, towards, False), (key, backwards, True)):
        if table is not None:
            term = (vectors @ table.columns).gather(-1, (distance + table.zero).expand(score.shape))
            score = score + (term.transpose(-1, -2) if transpose else term)
    probabilities = torch.softmax(score.masked_fill(~pair, torch.finfo(score.dtype).min), -1).masked_fill(~pair, 0)
    return F.dropout(probabilities, dropout, dropout > 0) @ value, probabilities


def sequence_spans(mask, dtype):
    """For each sequence of a bool `mask` [B, L]: how far it reaches, and what is added to the scores of its keys,
    [length], or None where no padding stands between real tokens. Asked once for all layers."""
    position = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    lengths = (position * mask).amax(1).tolist()
    bias = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)
    holes = mask.sum(1).tolist()
    return [(n, None if n == count else bias[b, :n]) for b, (n, count) in enumerate(zip(lengths, holes, strict=True))]
