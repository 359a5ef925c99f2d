"""Attention of a whole batch at once, for training: every matrix is made, none is made twice.

Sequences of a training batch are about equally long, so that padding costs little and one product for all of them
much less than one for each; going backwards the views of `attention` would each fill a matrix with zeros, which
`PositionTerm` does once.
"""

import torch
from torch.nn import functional as F


class PositionTerm(torch.autograd.Function):
    """Products of vectors (B, H, L, c) with a table by distance (H, 2 L - 1, c): (B, H, L, L).

    Element (a, b) is vectors[a] . table[b - a + L - 1], read through a view of the product with all rows.
    """

    @staticmethod
    def forward(ctx, vectors, table):
        batch, heads, length, width = vectors.shape
        rows = vectors.transpose(0, 1).reshape(heads, batch * length, width)
        product = torch.bmm(rows, table.transpose(1, 2)).view(heads, batch, length, 2 * length - 1)
        ctx.save_for_backward(rows, table)
        return _by_position(product).transpose(0, 1)

    @staticmethod
    def backward(ctx, gradient):
        rows, table = ctx.saved_tensors
        batch, heads, length, _ = gradient.shape
        product = gradient.new_zeros(heads, batch, length, 2 * length - 1)
        _by_position(product).copy_(gradient.transpose(0, 1))
        product = product.view(heads, batch * length, 2 * length - 1)
        vectors = torch.bmm(product, table).view(heads, batch, length, -1).transpose(0, 1)
        return vectors, torch.bmm(product.transpose(1, 2), rows)


def attend_batch(left, right, query, key, value, tables, mask, dropout=0.0):
    """Attention of vectors (B, H, L, .) with tables (H, 2 L - 1, c) or None; `mask` bool [B, L]. Gives (B, H, L, c),
    zero where the mask is."""
    towards, backwards = tables
    score = left @ right.transpose(-1, -2)  # (B, H, L, L)
    if towards is not None:
        score = score + PositionTerm.apply(query, towards)
    if backwards is not None:
        score = score + PositionTerm.apply(key, backwards).transpose(-1, -2)
    if not bool(mask.all()):
        score = score.masked_fill(~mask[:, None, None, :], torch.finfo(score.dtype).min)
    probabilities = torch.softmax(score, -1)
    return F.dropout(probabilities, dropout, dropout > 0) @ value * mask[:, None, :, None]


def _by_position(product):
    """The view (H, B, L, L) of products by distance (H, B, L, 2 L - 1)."""
    heads, batch, length, _ = product.shape
    first, second, row, _ = product.stride()
    return product.as_strided((heads, batch, length, length), (first, second, row - 1, 1), length - 1)
