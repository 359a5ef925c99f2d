"""Attention over lists of neighbours: gathers of fixed size, and memory that is linear in rows times neighbours.

The gathered keys and values, as many as rows times neighbours times width, are made a few rows at a time and made again
on the way back, so that what is kept are the lists, the weights, and one vector a node.
"""

import torch
from torch.nn import functional as F

CHUNK = 2**18
"""Values that are gathered at a time: in a processor's cache."""

CHUNK_ON_DEVICE = 2**26
"""The same where each step is a kernel to be launched."""


def attention_weights(query, key, bias, index, mask=None):
    """Softmax over the neighbours of each row.

    Parameters
    ----------
    query : float [n, H, c]
        Of the rows, scaled already.
    key : float [m, H, c]
        Of the nodes.
    bias : float [n, K, H]
    index : int64 [n, K]
        The neighbours of each row among the nodes.
    mask : bool [n, K], optional
        Where there is a neighbour. A row without any gets zeros.

    Returns
    -------
    float [n, K, H]
    """
    logits = GatheredProducts.apply(query, key, index) + bias
    if mask is None:
        return torch.softmax(logits, 1)
    mask = mask[:, :, None]
    weights = torch.softmax(logits.masked_fill(~mask, torch.finfo(logits.dtype).min), 1)
    return weights * mask


def attend(query, key, value, bias, index, mask=None, dropout: float = 0.0):
    """Weighted sums of the neighbours' values: float [n, H, c]. Arguments as of `attention_weights`."""
    weights = attention_weights(query, key, bias, index, mask)
    return GatheredSums.apply(F.dropout(weights, dropout, dropout > 0), value, index)


class GatheredProducts(torch.autograd.Function):
    """query [n, H, c] with the keys [m, H, c] of its neighbours `index` [n, K]: products [n, K, H]."""

    @staticmethod
    def forward(ctx, query, key, index):
        ctx.save_for_backward(query, key, index)
        products = query.new_empty(*index.shape, query.shape[1])
        for rows in _chunks(index, key):
            products[rows] = _rows_with(query[rows], key, index[rows])
        return products

    @staticmethod
    def backward(ctx, gradient):
        query, key, index = ctx.saved_tensors
        query_gradient = torch.empty_like(query)
        key_gradient = torch.zeros_like(key, dtype=_sum_dtype(key))
        for rows in _chunks(index, key):
            query_gradient[rows] = _sum_over(gradient[rows], key, index[rows])
            _spread(key_gradient, gradient[rows], query[rows], index[rows])
        return query_gradient, key_gradient.to(key.dtype), None


class GatheredSums(torch.autograd.Function):
    """Sums over neighbours `index` [n, K] of weights [n, K, H] times values [m, H, c]: [n, H, c]."""

    @staticmethod
    def forward(ctx, weights, value, index):
        ctx.save_for_backward(weights, value, index)
        sums = value.new_empty(len(index), *value.shape[1:])
        for rows in _chunks(index, value):
            sums[rows] = _sum_over(weights[rows], value, index[rows])
        return sums

    @staticmethod
    def backward(ctx, gradient):
        weights, value, index = ctx.saved_tensors
        weight_gradient = torch.empty_like(weights)
        value_gradient = torch.zeros_like(value, dtype=_sum_dtype(value))
        for rows in _chunks(index, value):
            weight_gradient[rows] = _rows_with(gradient[rows], value, index[rows])
            _spread(value_gradient, weights[rows], gradient[rows], index[rows])
        return weight_gradient, value_gradient.to(value.dtype), None


def _chunks(index, nodes):
    """Slices of rows, so many that what they gather stays below so many values."""
    chunk = CHUNK if nodes.device.type == "cpu" else CHUNK_ON_DEVICE
    rows = max(1, chunk // max(1, index.shape[1] * nodes.shape[1] * nodes.shape[2]))
    return [slice(first, first + rows) for first in range(0, len(index), rows)]


def _rows_with(rows, nodes, index):
    """rows [n, H, c] times the gathered nodes, summed over c: [n, K, H]."""
    gathered = nodes[index]  # (n, K, H, c)
    return gathered.mul_(rows[:, None]).sum(-1)


def _sum_over(weights, nodes, index):
    """weights [n, K, H] times the gathered nodes, summed over K: [n, H, c]."""
    gathered = nodes[index]  # (n, K, H, c)
    return gathered.mul_(weights[..., None]).sum(1)


def _spread(total, weights, rows, index):
    """Add weights [n, K, H] times rows [n, H, c] to the nodes `total` [m, H, c] that `index` names."""
    parts = weights[..., None] * rows[:, None]  # (n, K, H, c)
    total.index_add_(0, index.flatten(), parts.flatten(0, 1).to(total.dtype))


def _sum_dtype(x):
    """Half precision loses small terms of long sums."""
    return torch.promote_types(x.dtype, torch.float32)
