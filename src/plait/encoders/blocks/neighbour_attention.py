"""Attention over lists of neighbours: gathers of fixed size, and memory that is linear in rows times neighbours.

Sums over neighbours are bags of a table, which are read without being gathered first. For products the keys, as many as
rows times neighbours times width, are gathered a few rows at a time. What is kept for the way back are the lists, the
weights, and one vector a node.
"""

import functools

import torch
from torch.nn import functional as F

CHUNK = 2**18
"""Values that are gathered at a time: in a processor's cache."""

CHUNK_ON_DEVICE = 2**26
"""The same where each step is a kernel to be launched."""


class Lists:
    """The neighbours of each row among the nodes, and from the first way back on who listens to each node.

    Parameters
    ----------
    index : int64 [n, K]
    nodes : int
        Number of the nodes, m.
    """

    def __init__(self, index: torch.Tensor, nodes: int):
        self.index, self.nodes = index, nodes

    @functools.cached_property
    def listeners(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Places of the lists in the order of their nodes, int64 [n K], the row of each, int64 [n K], and where those
        of each node begin, int64 [m]."""
        nodes, order = self.index.flatten().sort(stable=True)
        offsets = torch.searchsorted(nodes, torch.arange(self.nodes, device=nodes.device))
        return order, order // max(1, self.index.shape[1]), offsets


def attention_weights(query, key, bias, lists: Lists, mask=None):
    """Softmax over the neighbours of each row.

    Parameters
    ----------
    query : float [n, H, c]
        Of the rows, scaled already.
    key : float [m, H, c]
        Of the nodes.
    bias : float [n, K, H]
    lists : Lists
    mask : bool [n, K], optional
        Where there is a neighbour. A row without any gets zeros.

    Returns
    -------
    float [n, K, H]
    """
    logits = GatheredProducts.apply(query, key, lists) + bias
    if mask is None:
        return torch.softmax(logits, 1)
    mask = mask[:, :, None]
    weights = torch.softmax(logits.masked_fill(~mask, torch.finfo(logits.dtype).min), 1)
    return weights * mask


def attend(query, key, value, bias, lists: Lists, mask=None, dropout: float = 0.0):
    """Weighted sums of the neighbours' values: float [n, H, c]. Arguments as of `attention_weights`."""
    weights = attention_weights(query, key, bias, lists, mask)
    return weighted_sums(F.dropout(weights, dropout, dropout > 0), value, lists)


def weighted_sums(weights, value, lists: Lists):
    """Sums over the neighbours of weights [n, K, H] times their values [m, H, c]: float [n, H, c]."""
    return GatheredSums.apply(weights, value, lists)


class GatheredProducts(torch.autograd.Function):
    """query [n, H, c] with the keys [m, H, c] of its neighbours: products [n, K, H]."""

    @staticmethod
    def forward(ctx, query, key, lists):
        ctx.save_for_backward(query, key)
        ctx.lists = lists
        return _products(query, key, lists)

    @staticmethod
    def backward(ctx, gradient):
        query, key = ctx.saved_tensors
        gradient = gradient.to(key.dtype)
        return _sums(gradient, key, ctx.lists), _sums_at_nodes(gradient, query, ctx.lists), None


class GatheredSums(torch.autograd.Function):
    """Sums over neighbours of weights [n, K, H] times values [m, H, c]: [n, H, c], in the precision of the values."""

    @staticmethod
    def forward(ctx, weights, value, lists):
        ctx.weights_dtype, weights = weights.dtype, weights.to(value.dtype)
        ctx.save_for_backward(weights, value)
        ctx.lists = lists
        return _sums(weights, value, lists)

    @staticmethod
    def backward(ctx, gradient):
        weights, value = ctx.saved_tensors
        gradient = gradient.to(value.dtype)
        weights_gradient = _products(gradient, value, ctx.lists).to(ctx.weights_dtype)
        return weights_gradient, _sums_at_nodes(weights, gradient, ctx.lists), None


def _products(rows, nodes, lists: Lists):
    """rows [n, H, c] times the nodes [m, H, c] of their lists, summed over c: [n, K, H]."""
    count, heads, width = rows.shape
    neighbours = lists.index.shape[1]
    chunk = CHUNK if nodes.device.type == "cpu" else CHUNK_ON_DEVICE
    step = max(1, chunk // max(1, neighbours * heads * width))
    products = rows.new_empty(count, neighbours, heads)
    rows, nodes, ones = rows.reshape(count, 1, heads * width), nodes.reshape(-1, heads * width), rows.new_ones(width)
    for first in range(0, count, step):
        part = slice(first, first + step)
        index = lists.index[part]
        gathered = nodes.index_select(0, index.flatten()).view(*index.shape, heads * width).mul_(rows[part])
        # a product with ones sums over so few values faster than a sum does
        torch.mv(gathered.view(-1, width), ones, out=products[part].view(-1))
    return products


def _sums(weights, nodes, lists: Lists):
    """weights [n, K, H] times the nodes [m, H, c] of the lists, summed over K: [n, H, c]."""
    return _bags(weights.permute(2, 0, 1), nodes, lists.index, None)


def _sums_at_nodes(weights, rows, lists: Lists):
    """weights [n, K, H] times rows [n, H, c], summed over all places where a node stands in a list: [m, H, c]."""
    order, listeners, offsets = lists.listeners
    return _bags(weights.flatten(0, 1)[order].T, rows, listeners, offsets)


def _bags(weights, table, index, offsets):
    """For each head the weighted sums of its rows of a table [T, H, c] in bags: [bags, H, c]."""
    heads = zip(table.transpose(0, 1).contiguous(), weights.contiguous(), strict=True)
    return torch.stack(
        [F.embedding_bag(index, part, offsets, per_sample_weights=weight, mode="sum") for part, weight in heads], 1
    )
