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

from plait.encoders.prosst.configuration import ProsstConfig

BLOCK = 128
"""Query or key rows that meet the position table at a time."""

SCORE_BYTES = 8 * 2**20
"""Memory for the scores of the heads that are computed together, in inference."""

CACHE_BYTES = 4 * 2**20
"""Projected position tables of one layer are kept between calls in inference if they are not larger than this."""


class ProsstSelfAttention(nn.Module):
    """Self-attention of one layer.

    `forward(hidden [B, L, D], structure [B, L, D] or None, positions [2M, D] or None, mask)` gives the context
    [B, L, D]; `mask` is a bool [B, L] of real tokens or [B, L, L] of pairs.
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
        self._tables = None

    def forward(self, hidden, structure, positions, mask, return_probabilities=False):
        left, right, query, key, value = self._vectors(hidden, structure)
        lean = mask.dim() == 2 and not (return_probabilities or torch.is_grad_enabled() or self.training)
        if lean:
            tables = self._cached_tables(positions, hidden.shape[1])
            context = torch.zeros_like(hidden)
            for b, real in enumerate(mask):
                length = int(real.nonzero()[-1]) + 1 if bool(real.any()) else 0
                # key_bias is only needed where padding stands between real tokens
                key_bias = None if bool(real[:length].all()) else _key_bias(real[:length], hidden.dtype)
                rows = [None if x is None else x[b, :, :length] for x in (left, right, query, key, value)]
                _attend_lean(*rows, tables, hidden.shape[1], key_bias, context[b, :length])
            context *= mask[:, :, None]
            return context, None
        tables = self._project(positions, hidden.shape[1])
        context, probabilities = self._attend(left, right, query, key, value, tables, mask, return_probabilities)
        return context.transpose(1, 2).flatten(2), probabilities

    def _split(self, x):
        return x.unflatten(-1, (self.heads, self.head_size)).transpose(1, 2)  # (B, H, L, c)

    def _vectors(self, hidden, structure):
        """What stands on the left and right of the content product, and query, key, value: each (B, H, L, .).

        The queries and everything that takes their place are divided by z.
        """
        query = self._split(self.query(hidden) * self.scale)
        key = self._split(self.key(hidden))
        value = self._split(self.value(hidden))
        if self.rotary_embeddings is not None:
            query, key = self.rotary_embeddings(query, key)
        left, right = query, key
        if self.ss_proj is not None:
            right = key + self._split(self.ss_proj(structure))
        if self.ss_q_proj is not None:
            if self.corrected:
                structure_query = self._split(self.ss_q_proj(structure) * self.scale)
                if right is key:
                    left = query + structure_query
                else:
                    left, right = torch.cat((query, structure_query), -1), torch.cat((right, key), -1)
            else:
                left, right = torch.cat((query, key), -1), torch.cat((right, query), -1)
        return left, right, query, key, value

    # -- position tables

    def _project(self, positions, length):
        """Projected rows of the position table for distances, (H, 2 L - 1, c) each, or None.

        The first is for residue -> position: row d + L - 1 is for j - i = d. The second is for position -> residue:
        row e + L - 1 is for i - j = e. Beyond the table its end rows repeat.
        """
        if self.pos_proj is None and self.pos_q_proj is None:
            return None, None
        distance = torch.arange(1 - length, length, device=positions.device)
        row = (distance + self.reach).clamp(0, 2 * self.reach - 1)
        first, last = int(row[0]), int(row[-1])
        # only as many rows as there are distances are projected, and dropped out
        positions = F.dropout(positions[first : last + 1], self.position_dropout, self.training)
        towards = backwards = None
        if self.pos_proj is not None:
            towards = self._extend(self.pos_proj(positions), row.flip(0) - first)
        if self.pos_q_proj is not None:
            backwards = self._extend(self.pos_q_proj(positions) * self.scale, row - first)
        return towards, backwards

    def _extend(self, table, row):
        return table[row].unflatten(-1, (self.heads, self.head_size)).transpose(0, 1)

    def _cached_tables(self, positions, length):
        if self.pos_proj is None and self.pos_q_proj is None:
            return None, None
        size = 2 * (2 * length - 1) * self.heads * self.head_size * positions.element_size()
        if size > CACHE_BYTES:
            self._tables = None
            return self._project(positions, length)
        parameters = [positions]
        parameters += [p for layer in (self.pos_proj, self.pos_q_proj) if layer is not None for p in layer.parameters()]
        # an optimiser step, a loaded state or a move to another device or dtype changes one of these
        state = (length, *((p.data_ptr(), p._version, p.dtype, p.device) for p in parameters if not p.is_inference()))
        if self._tables is None or self._tables[0] != state:
            self._tables = (state, self._project(positions, length))
        return self._tables[1]

    # -- the path with gradients, a batch at a time

    def _attend(self, left, right, query, key, value, tables, mask, return_probabilities):
        towards, backwards = tables
        if mask.dim() == 2:
            pair, real = mask[:, None, None, :], mask[:, None, :, None]
        else:
            pair, real = mask[:, None], None
        bias = None
        if towards is not None:
            bias = position_term(query, towards)
        if backwards is not None:
            term = position_term(key, backwards).transpose(-1, -2)
            bias = term if bias is None else bias + term
        blocked = torch.finfo(query.dtype).min
        if bias is not None:
            bias = bias.masked_fill(~pair, blocked)
        elif not bool(mask.all()):
            bias = torch.zeros_like(pair, dtype=query.dtype).masked_fill(~pair, blocked)
        dropout = self.dropout if self.training else 0.0
        if real is None or return_probabilities:
            score = left @ right.transpose(-1, -2)
            probabilities = torch.softmax(score if bias is None else score + bias, -1)
            probabilities = probabilities.masked_fill(~pair, 0)
            if real is not None:
                probabilities = probabilities * real
            return F.dropout(probabilities, dropout) @ value, probabilities
        padded = F.pad(value, (0, left.shape[-1] - value.shape[-1]))
        context = F.scaled_dot_product_attention(left, right, padded, bias, dropout, scale=1.0)
        return context[..., : self.head_size] * real, None


class RotaryEmbeddings(nn.Module):
    """Rotation of queries and keys by their position (halves convention)."""

    def __init__(self, head_size: int):
        super().__init__()
        self.register_buffer("inv_freq", self.frequencies(head_size))

    @staticmethod
    def frequencies(head_size: int) -> torch.Tensor:
        """10000^(-2m/c), (c/2)."""
        return 10000.0 ** (-torch.arange(0, head_size, 2, dtype=torch.float32) / head_size)

    def forward(self, *vectors):
        position = torch.arange(vectors[0].shape[-2], device=vectors[0].device)
        angle = position[:, None] * self.inv_freq.float()  # (L, c/2)
        cos, sin = (f.repeat(1, 2).to(vectors[0].dtype) for f in (angle.cos(), angle.sin()))
        rotated = []
        for x in vectors:
            first, second = x.chunk(2, -1)
            rotated.append(x * cos + torch.cat((-second, first), -1) * sin)
        return rotated


def skew(product, length):
    """The view (..., n, L) of `product` (..., n, n + L - 1) whose element (a, b) is product[a, n - 1 - a + b]."""
    rows, width = product.shape[-2:]
    flat = product.flatten(-2)[..., rows - 1 : rows - 1 + rows * (width - 1)]
    return flat.unflatten(-1, (rows, width - 1))[..., :length]


def block_table(table, start, rows, length):
    """What `rows` rows from `start` on meet of a table by distance: (H, n + L - 1, c) of (H, 2 L' - 1, c), L' >= L."""
    middle = table.shape[-2] // 2
    first = middle - start - rows + 1
    return table[..., first : first + rows + length - 1, :]


def position_term(vectors, table):
    """Products of `vectors` (B, H, L, c) with the rows of `table` (H, 2 L - 1, c): (B, H, L, L).

    Element (a, b) is vectors[a] . table[b - a + L - 1].
    """
    length = vectors.shape[-2]
    blocks, start = [], 0
    for block in vectors.split(BLOCK, dim=-2):
        rows = block_table(table, start, block.shape[-2], length)
        blocks.append(skew(block @ rows.transpose(-1, -2), length))
        start += block.shape[-2]
    return torch.cat(blocks, -2) if len(blocks) > 1 else blocks[0]


def _key_bias(real, dtype):
    return torch.zeros(real.shape, dtype=dtype, device=real.device).masked_fill_(~real, torch.finfo(dtype).min)


def _attend_lean(left, right, query, key, value, tables, table_length, key_bias, context):
    """Attention of one sequence, few heads and 128 query rows at a time, written into `context` (L, D).

    All vectors are (H, L, .); the largest thing made is one (heads together, L, L) matrix.
    """
    heads, length = value.shape[:2]
    towards, backwards = tables
    together = max(1, min(heads, SCORE_BYTES // max(1, length * length * value.element_size())))
    context = context.unflatten(-1, (heads, -1))  # (L, H, c)
    for first in range(0, heads, together):
        some = slice(first, min(heads, first + together))
        count = some.stop - first
        bias = None
        if backwards is not None:
            # made by rows of keys, kept by rows of queries
            bias = value.new_empty(count, length, length)
            for start in range(0, length, BLOCK):
                block = key[some, start : start + BLOCK]
                rows = block_table(backwards[some], start, block.shape[1], length)
                term = skew(block @ rows.transpose(1, 2), length)
                bias[:, :, start : start + block.shape[1]] = term.transpose(1, 2)
        for start in range(0, length, BLOCK):
            stop = min(length, start + BLOCK)
            opposite = right[some].transpose(1, 2)
            if towards is not None:
                block = query[some, start:stop]
                rows = block_table(towards[some], start, stop - start, length)
                term = skew(block @ rows.transpose(1, 2), length)
                score = torch.baddbmm(term, left[some, start:stop], opposite)
                del term
            else:
                score = torch.bmm(left[some, start:stop], opposite)
            if bias is not None:
                score += bias[:, start:stop]
            if key_bias is not None:
                score += key_bias
            probabilities = torch.softmax(score, -1)
            del score
            context[start:stop, some] = torch.bmm(probabilities, value[some]).transpose(0, 1)
