"""Gathered attention is the dense one with everything masked that is not in the lists."""

import pytest
import torch

from plait.encoders.blocks import neighbour_attention
from plait.encoders.blocks.neighbour_attention import Lists, attend, attention_weights


def draw(rows=7, nodes=9, neighbours=4, heads=2, width=3, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True)

    index = torch.stack([torch.randperm(nodes, generator=generator)[:neighbours] for _ in range(rows)])
    mask = torch.rand(rows, neighbours, generator=generator) < 0.7
    mask[0], mask[1] = False, True
    return (
        normal(rows, heads, width), normal(nodes, heads, width), normal(nodes, heads, width),
        normal(rows, neighbours, heads), Lists(index, nodes), mask,
    )  # fmt: skip


def dense(query, key, value, bias, lists, mask):
    """The same with matrices of rows by nodes."""
    rows, nodes = len(query), len(key)
    logits = torch.full((rows, nodes, query.shape[1]), -torch.inf, dtype=query.dtype)
    for row in range(rows):
        for column, node in enumerate(lists.index[row].tolist()):
            if mask[row, column]:
                logits[row, node] = (query[row] * key[node]).sum(-1) + bias[row, column]
    weights = torch.softmax(logits, 1).nan_to_num()
    return torch.einsum("nmh,mhc->nhc", weights, value)


@pytest.mark.parametrize("chunk", [1, 40, 2**22])
def test_it_is_dense_attention_on_the_lists(monkeypatch, chunk):
    monkeypatch.setattr(neighbour_attention, "CHUNK", chunk)
    *inputs, lists, mask = draw()
    found, expected = attend(*inputs, lists, mask), dense(*inputs, lists, mask)
    assert torch.allclose(found, expected, atol=1e-12)
    assert (found[0] == 0).all()
    factor = torch.randn(found.shape, dtype=found.dtype, generator=torch.Generator().manual_seed(1))
    got = torch.autograd.grad((found * factor).sum(), inputs)
    # the row without neighbours has no softmax: its gradients in the dense form are not a number
    wanted = torch.autograd.grad((expected * factor)[1:].sum(), inputs)
    for one, other in zip(got, wanted, strict=True):
        assert torch.allclose(one, other.nan_to_num(), atol=1e-12)


def test_gradients_by_differences():
    *inputs, lists, mask = draw(rows=4, nodes=5, neighbours=3)
    assert torch.autograd.gradcheck(lambda *x: attend(*x, lists, mask), inputs)


def test_weights_sum_to_one_where_there_is_a_neighbour():
    query, key, _, bias, lists, mask = draw()
    weights = attention_weights(query, key, bias, lists, mask)
    assert torch.allclose(weights.sum(1)[1:], torch.ones(6, 2, dtype=weights.dtype))
    assert (weights[~mask] == 0).all()


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    query, key, value, bias, lists, mask = draw(dtype=torch.float32)
    expected = attend(query, key, value, bias, lists, mask)
    mean = torch.stack([attend(query, key, value, bias, lists, mask, dropout=0.3) for _ in range(2000)]).mean(0)
    # standard error of 2000 draws with weights up to 1 and values of about 1
    assert (mean - expected).abs().max() < 0.1


def test_half_precision_is_near():
    *inputs, lists, mask = draw(dtype=torch.float32)
    half = [x.detach().to(torch.bfloat16) for x in inputs]
    difference = attend(*half, lists, mask).float() - attend(*inputs, lists, mask)
    assert difference.abs().max() < 0.05
