"""Attention of a whole batch at once, for training: every matrix is made, none is made twice.

Sequences of a training batch are about equally long, so that padding costs little and one product for all of them
much less than one for each; going backwards the views of `attention` would each fill a matrix with zeros, which
`PositionTerm` does once.
"""

import torch
from torch.nn import functional as F


class PositionTerm(torch.autograd.Function):
    """Products of vectors (B, H, L, c) with the columns of a `PositionTable` (H, c, W): (B, H, L, L).

    Element (a, b) is vectors[a] . (column of distance b - a), read through a view of the product with all columns.
    """

    @staticmethod
    def forward(ctx, vectors, columns, zero):
        batch, heads, length, width = vectors.shape
        rows = vectors.transpose(0, 1).reshape(heads, batch * length, width)
        product = torch.bmm(rows, columns).view(heads, batch, length, columns.shape[2])
        # as the product was made: under autocast that is narrower than what came in, and the way back has no autocast
        ctx.save_for_backward(rows.to(product.dtype), columns.to(product.dtype))
        ctx.zero = zero
        return _by_position(product, zero).transpose(0, 1)

    @staticmethod
    def backward(ctx, gradient):
        rows, columns = ctx.saved_tensors
        batch, heads, length, _ = gradient.shape
        product = gradient.new_zeros(heads, batch, length, columns.shape[2])
        _by_position(product, ctx.zero).copy_(gradient.transpose(0, 1))
        product = product.view(heads, batch * length, columns.shape[2])
        vectors = torch.bmm(product, columns.transpose(1, 2)).view(heads, batch, length, -1).transpose(0, 1)
        return vectors, torch.bmm(rows.transpose(1, 2), product), None


def attend_batch(left, right, query, key, value, tables, mask, dropout=0.0):
    """Attention of vectors (B, H, L, .) with a `PositionTable` or None for each term; `mask` bool [B, L]. Gives
    (B, H, L, c), zero where the mask is."""
    towards, backwards = tables
    score = left @ right.transpose(-1, -2)  # (B, H, L, L)
    if towards is not None:
        score = score + PositionTerm.apply(query, *towards)
    if backwards is not None:
        score = score + PositionTerm.apply(key, *backwards).transpose(-1, -2)
    if not bool(mask.all()):
        score = score.masked_fill(~mask[:, None, None, :], torch.finfo(score.dtype).min)
    probabilities = torch.softmax(score, -1)
    return F.dropout(probabilities, dropout, dropout > 0) @ value * mask[:, None, :, None]


def _by_position(product, zero):
    """The view (H, B, L, L) of products by distance (H, B, L, W) whose column of distance 0 is `zero`."""
    heads, batch, length, _ = product.shape
    first, second, row, _ = product.stride()
    return product.as_strided((heads, batch, length, length), (first, second, row - 1, 1), zero)
