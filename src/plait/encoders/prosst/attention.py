"""Attention between residues, positions and structure tokens, without the matrices that need not be there.

The score of specs/prosst.md, B4, is one product of concatenated vectors and two position terms (B5):

    [q ; u]_i . [k + s ; k]_j   +   q_i . P_(i-j)   +   Q_(i-j) . k_j

A product of 128 rows with the position table, laid out by distance, holds the term of (i, j) in a column that moves by
one from row to row: a view with a row stride one less than the width is the bias, and nothing is gathered.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.prosst.attention_batch import attend_batch
from plait.encoders.prosst.configuration import ProsstConfig

BLOCK = 128
"""Query or key rows that meet the position table at a time."""

SCORE_BYTES = 4 * 2**20
"""Memory for the scores of the heads that are computed together, in inference."""

CACHE_BYTES = 4 * 2**20
"""Projected position tables of one layer are kept between calls in inference as far as this goes."""


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
        self.reach = config.table_reach
        self.corrected = config.structure_to_residue == "corrected"
        self.dropout = config.attention_probs_dropout_prob
        self.position_dropout = config.hidden_dropout_prob
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.pos_proj = nn.Linear(width, width, bias=False) if config.has_term("aa2pos") else None
        self.pos_q_proj = nn.Linear(width, width) if config.has_term("pos2aa") else None
        self.ss_proj = nn.Linear(width, width, bias=False) if config.has_term("aa2ss") else None
        self.ss_q_proj = nn.Linear(width, width) if config.has_term("ss2aa") else None
        rotary = config.position_embedding_type == "rotary" and config.relative_attention
        self.rotary_embeddings = RotaryEmbeddings(config.head_size) if rotary else None
        self._kept_tables = {}

    def forward(self, hidden, structure, positions, mask, spans, return_probabilities=False):
        left, right, query, key, value = self._vectors(hidden, structure)
        tables = self._tables(positions, hidden.shape[1])
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

    # -- position tables

    def _tables(self, positions, length):
        """Projected rows of the position table for distances, (H, 2 L - 1, c) each, or None.

        The first is for residue -> position: row d + L - 1 is for j - i = d. The second is for position -> residue:
        row e + L - 1 is for i - j = e. Beyond the table its end rows repeat. In inference they are constant, and kept
        from call to call as far as `CACHE_BYTES` goes.
        """
        if self.pos_proj is None and self.pos_q_proj is None:
            return None, None
        distance = torch.arange(1 - length, length, device=positions.device)
        row = (distance + self.reach).clamp(0, 2 * self.reach - 1)
        first, last = max(0, self.reach + 1 - length), min(2 * self.reach, self.reach + length) - 1
        # only as many rows as there are distances are projected, and dropped out
        needed = F.dropout(positions[first : last + 1], self.position_dropout, self.training)
        inference = not (torch.is_grad_enabled() or self.training)
        size = len(row) * self.heads * self.head_size * positions.element_size()
        room = CACHE_BYTES // max(1, size) if inference else 0
        found, kept = [], {}
        for layer, rows in ((self.pos_proj, row.flip(0) - first), (self.pos_q_proj, row - first)):
            if layer is None:
                found.append(None)
                continue
            parameters = (positions, *layer.parameters())
            if room > len(kept) and not any(p.is_inference() for p in parameters):
                # an optimiser step, a loaded state or a move to another device or dtype changes one of these
                state = (length, *((p.data_ptr(), p._version, p.dtype, p.device) for p in parameters))
                before, table = self._kept_tables.get(layer, (None, None))
                kept[layer] = (state, table if before == state else self._project(layer, needed, rows))
                found.append(kept[layer][1])
            else:
                found.append(self._project(layer, needed, rows))
        self._kept_tables = kept
        return tuple(found)

    def _project(self, layer, positions, rows):
        projected = layer(positions)
        if layer is self.pos_q_proj:
            projected = projected.mul_(self.scale)
        return projected.unflatten(-1, (self.heads, self.head_size)).transpose(0, 1).index_select(1, rows)


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
    """Attention of one sequence without gradients: vectors (H, L, .), tables (H, 2 L' - 1, c) with L' >= L; gives
    (L, D).

    Few heads are computed together, and the largest thing made is their (heads, L, L).
    """
    heads, length = value.shape[:2]
    together = max(1, min(heads, SCORE_BYTES // max(1, length * length * value.element_size())))
    context = value.new_empty(length, heads, value.shape[2])
    for first in range(0, heads, together):
        some = slice(first, first + together)
        arguments = (x if x is None else x[some] for x in (left, right, query, key, value, *tables))
        _attend_heads(*arguments, key_bias, context[:, some])
    return context.flatten(1)


def _attend_heads(left, right, query, key, value, towards, backwards, key_bias, context):
    length = value.shape[1]
    # position -> residue comes by blocks of keys and is wanted by blocks of queries: views of tiles do both
    tiles = []
    if backwards is not None:
        for start in range(0, length, BLOCK):
            tiles.append(position_term(key, backwards, start).split(BLOCK, dim=2))
    right = right.transpose(1, 2)
    for number, block in enumerate(left.split(BLOCK, dim=1)):
        if towards is not None:
            score = torch.baddbmm(position_term(query, towards, number * BLOCK), block, right)
        else:
            score = torch.bmm(block, right)
        for columns, tile in zip(score.split(BLOCK, dim=2), tiles):
            columns += tile[number].transpose(1, 2)
        if key_bias is not None:
            score += key_bias
        probabilities = torch.softmax(score, -1)
        del score
        context[number * BLOCK : (number + 1) * BLOCK] = torch.bmm(probabilities, value).transpose(0, 1)


def position_term(vectors, table, start):
    """Products of a block of `vectors` (H, L, c) from row `start` on with a table by distance: (H, n, L).

    Element (a, b) is vectors[start + a] . (row of the table for b - (start + a)). It is a view of the product of the
    block with all rows that it meets.
    """
    length = vectors.shape[1]
    block = vectors[:, start : start + BLOCK]
    rows = block.shape[1]
    first = table.shape[1] // 2 - start - rows + 1
    return skew(torch.bmm(block, table[:, first : first + rows + length - 1].transpose(1, 2)))


def skew(product):
    """The view (H, n, L) of `product` (H, n, n + L - 1) whose element (a, b) is product[a, n - 1 - a + b]."""
    heads, rows, width = product.shape
    return product.as_strided((heads, rows, width - rows + 1), (rows * width, width - 1, 1), rows - 1)


def attend_dense(left, right, query, key, value, tables, mask, dropout=0.0):
    """Attention of a batch (B, H, L, .) with every matrix made: context (B, H, L, c), probabilities (B, H, L, L).

    For a `mask` of pairs (B, L, L), and where the probabilities themselves are asked for.
    """
    towards, backwards = tables
    pair = mask[:, None] if mask.dim() == 3 else mask[:, None, :, None] & mask[:, None, None, :]
    score = left @ right.transpose(-1, -2)
    distance = torch.arange(score.shape[-1], device=score.device)
    distance = distance - distance[:, None] + score.shape[-1] - 1  # row of the table for b - a
    for vectors, table, transpose in ((query, towards, False), (key, backwards, True)):
        if table is not None:
            term = (vectors @ table.transpose(-1, -2)).gather(-1, distance.expand(score.shape))
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
