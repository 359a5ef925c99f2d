"""Sums over neighbours by relation, each relation with a matrix of its own, without a buffer of nodes x relations.

What a target receives is the sum over relations r of W_r times the sum of its neighbours of relation r. Sums that are
empty are left out, equal ones can be computed once, and the backward pass makes the sums again instead of keeping
them.
"""

import dataclasses
from functools import cached_property

import torch
import torch.nn.functional as F


@dataclasses.dataclass(frozen=True)
class Relation:
    """Neighbours of one relation.

    Attributes
    ----------
    source : int64 [n]
        Rows that are summed, sum after sum.
    offsets : int64 [m + 1]
        Sum i has the sources `offsets[i] : offsets[i + 1]`.
    sum_of : int64 [t] or None
        Which sum each target receives; None where target i receives sum i.
    target : int64 [t]
        No target stands there twice.
    """

    source: torch.Tensor
    offsets: torch.Tensor
    sum_of: torch.Tensor | None
    target: torch.Tensor

    def sums(self, x: torch.Tensor) -> torch.Tensor:
        """Sums [m, d] of the rows of x [N, d]."""
        return F.embedding_bag(self.source, x, self.offsets, mode="sum", include_last_offset=True)

    def add_sums_back(self, out: torch.Tensor, of_sums: torch.Tensor) -> None:
        """Add to each source in `out` [N, d] what the sums that it is in have: the transpose of `sums`."""
        sums, offsets, source = self._by_source
        out.index_add_(0, source, F.embedding_bag(sums, of_sums, offsets, mode="sum", include_last_offset=True))

    def spread(self, out: torch.Tensor, of_sums: torch.Tensor) -> None:
        """Add to each target in `out` [T, d] what its sum has."""
        out.index_add_(0, self.target, of_sums if self.sum_of is None else of_sums.index_select(0, self.sum_of))

    def spread_back(self, of_targets: torch.Tensor) -> torch.Tensor:
        """What the sums [m, d] get from the targets [T, d]: the transpose of `spread`."""
        if self.sum_of is None:
            return of_targets.index_select(0, self.target)
        target, offsets = self._by_sum
        return F.embedding_bag(target, of_targets, offsets, mode="sum", include_last_offset=True)

    @cached_property
    def _by_source(self):
        """Sums by source [n], offsets, and the sources that stand there."""
        order = self.source.argsort(stable=True)
        source, count = self.source[order].unique_consecutive(return_counts=True)
        sums = torch.arange(len(self.offsets) - 1, device=order.device).repeat_interleave(self.offsets.diff())
        return sums[order], offsets_of(count), source

    @cached_property
    def _by_sum(self):
        """Targets by sum [t], and offsets."""
        order = self.sum_of.argsort(stable=True)
        return self.target[order], offsets_of(self.sum_of.bincount(minlength=len(self.offsets) - 1))


def relations(
    source: torch.Tensor, target: torch.Tensor, relation: torch.Tensor, count: int, *, shared: bool = False
) -> list[Relation]:
    """Edges in parts by relation.

    Parameters
    ----------
    source, target, relation : int64 [E]
    count : int
        Number of relations.
    shared : bool
        Compute sums over the same sources only once.
    """
    parts = [relation.eq(number).nonzero().squeeze(1) for number in range(count)]
    return [_relation(source[edge], target[edge], shared) for edge in parts]


def _relation(source: torch.Tensor, target: torch.Tensor, shared: bool) -> Relation:
    if not (target[1:] >= target[:-1]).all():
        order = target.argsort(stable=True)
        source, target = source[order], target[order]
    target, counts = target.unique_consecutive(return_counts=True)
    offsets = offsets_of(counts)
    if not shared or len(target) < 2:
        return Relation(source, offsets, None, target)
    # Sets of sources are told apart by the sum of 64 mixed bits of each: two that differ agree once in 2^64.
    total = F.pad(_mixed(source).cumsum(0), (1, 0))
    key = total[offsets[1:]] - total[offsets[:-1]]
    different, sum_of = key.unique(return_inverse=True)
    if len(different) == len(target):
        return Relation(source, offsets, None, target)
    row = torch.arange(len(target), device=target.device)
    first = row.new_full((len(different),), len(target)).scatter_reduce(0, sum_of, row, "amin")
    kept = torch.zeros(len(target), dtype=torch.bool, device=target.device)
    kept[first] = True
    sum_of = (kept.cumsum(0) - 1)[first[sum_of]]
    return Relation(source[kept.repeat_interleave(counts)], offsets_of(counts[kept]), sum_of, target)


def offsets_of(counts: torch.Tensor) -> torch.Tensor:
    """Where parts of these sizes [n] begin and end: int64 [n + 1]."""
    return F.pad(counts.cumsum(0), (1, 0))


def _mixed(value: torch.Tensor) -> torch.Tensor:
    """64 bits that look random for each integer (the finaliser of SplitMix64, Steele et al. 2014)."""
    value = (value + 1) * -7046029254386353131
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        value = (value ^ ((value >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return value ^ ((value >> 31) & ((1 << 33) - 1))


class _RelationalSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, parts, targets):
        ctx.save_for_backward(x, weight)
        ctx.parts = parts
        out = x.new_zeros(targets, len(weight))
        for part, matrix in zip(parts, weight.split(x.shape[1], dim=1)):
            part.spread(out, part.sums(x) @ matrix.T)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        x_grad = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        weight_grad = torch.empty_like(weight) if ctx.needs_input_grad[1] else None
        width = x.shape[1]
        for number, part in enumerate(ctx.parts):
            columns = slice(number * width, (number + 1) * width)
            of_sums = part.spread_back(grad)  # (m, d_out)
            if weight_grad is not None:
                weight_grad[:, columns] = of_sums.T @ part.sums(x)
            if x_grad is not None:
                part.add_sums_back(x_grad, of_sums @ weight[:, columns])
        return x_grad, weight_grad, None, None


def relational_sum(x: torch.Tensor, weight: torch.Tensor, parts: list[Relation], targets: int) -> torch.Tensor:
    """What each target receives, [targets, d_out]: its sums of x by relation, side by side, times the matrix.

    Parameters
    ----------
    x : float [N, d]
    weight : float [d_out, relations * d]
        Columns r * d to (r + 1) * d - 1 belong to relation r.
    parts : list of Relation
    targets : int
        Number of rows of the result.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return _RelationalSum.apply(x.to(dtype), weight.to(dtype), parts, targets)
    return _RelationalSum.apply(x, weight, parts, targets)
