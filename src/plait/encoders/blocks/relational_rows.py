"""Sums over neighbours by relation, those of a target side by side in one row: for narrow rows and few empty sums.

One product serves all relations, and nothing is spread over targets afterwards; `relational.py` leaves out what is
empty or equal instead, which pays where the products are wide. Rows are made for a block of targets at a time, which
stays in the processor's cache, and all blocks have the same shape, for which a product in bfloat16 is prepared once.
"""

import dataclasses
import itertools
from functools import cached_property

import torch
import torch.nn.functional as F

from plait.encoders.blocks.relational import offsets_of

ROWS = 2048
"""Most targets in a block, but for rounding up."""


@dataclasses.dataclass(frozen=True)
class RowBlock:
    """A range of targets and where the sums in their rows come from.

    Attributes
    ----------
    source : int64 [n]
        Rows that are summed, sum after sum.
    place : int32 [n]
        The sum that each is in: target in the block times relations, plus relation.
    offsets : int64 [targets of a block * relations + 1]
        Sum i has the sources `offsets[i] : offsets[i + 1]`.
    """

    source: torch.Tensor
    place: torch.Tensor
    offsets: torch.Tensor

    def sums(self, x: torch.Tensor, count: int) -> torch.Tensor:
        """Sums [targets of a block, count * d] of the rows of x [N, d] by relation, `count` relations."""
        sums = F.embedding_bag(self.source, x.detach(), self.offsets, mode="sum", include_last_offset=True)
        return sums.view(-1, count * x.shape[1])

    def sums_back(self, of_sums: torch.Tensor, width: int) -> torch.Tensor:
        """What the sums that a source is in have, for each of `sources`: the transpose of `sums`."""
        _, places, offsets = self._by_source
        return F.embedding_bag(places, of_sums.view(-1, width), offsets, mode="sum", include_last_offset=True)

    @property
    def sources(self) -> torch.Tensor:
        """The sources of the block, each once."""
        return self._by_source[0]

    @cached_property
    def _by_source(self):
        source, order = self.source.int().sort(stable=True)
        source, count = source.unique_consecutive(return_counts=True)
        return source.long(), self.place[order].long(), offsets_of(count)


@dataclasses.dataclass(frozen=True)
class RowBlocks:
    """All blocks of a graph: successive ranges of targets, the last with rows to spare."""

    blocks: list[RowBlock]
    sources: int
    targets: int
    relations: int

    @classmethod
    def of(cls, source: torch.Tensor, target: torch.Tensor, relation: torch.Tensor, *sizes: int):
        """From edges int64 [E] by target, and how many sources, targets and relations there are."""
        sources, targets, count = sizes
        rows = -(-targets // max(-(-targets // ROWS), 1))  # blocks of equal size
        unit = min(64, ROWS)
        rows = -(-rows // unit) * unit  # rounded up, so that there are few shapes
        begins = torch.arange(0, targets + rows, max(rows, 1), device=source.device)[: -(-targets // max(rows, 1)) + 1]
        ends = torch.searchsorted(target.contiguous(), begins).tolist()
        blocks = []
        for number, (first, last) in enumerate(itertools.pairwise(ends)):
            place = ((target[first:last] - number * rows) * count + relation[first:last]).int()
            offsets = offsets_of(place.bincount(minlength=rows * count))
            place, order = place.sort(stable=True)
            blocks.append(RowBlock(source[first:last][order], place, offsets))
        return cls(blocks, sources, targets, count)

    @property
    def rows(self) -> int:
        """Targets in a block."""
        return (len(self.blocks[0].offsets) - 1) // self.relations if self.blocks else 0

    def gathered(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Rows of the blocks' sources, added up where blocks have a source in common: [sources, d]."""
        row, offsets = self._of_source
        return F.embedding_bag(row, torch.cat(parts), offsets, mode="sum", include_last_offset=True)

    @cached_property
    def _of_source(self):
        source = torch.cat([block.sources for block in self.blocks])
        return source.argsort(stable=True), offsets_of(source.bincount(minlength=self.sources))


class _SumByRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, graph):
        ctx.save_for_backward(x, weight)
        ctx.graph = graph
        rows = graph.rows
        out = x.new_empty(len(graph.blocks) * rows, len(weight))
        for block, part in zip(graph.blocks, out.split(max(rows, 1)), strict=False):
            torch.mm(block.sums(x, graph.relations), weight.T, out=part)
        return out[: graph.targets]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        (x, weight), graph = ctx.saved_tensors, ctx.graph
        of_sources = []
        # blocks are added up in float32
        weight_grad = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
        for block, of_rows in zip(graph.blocks, grad.split(max(graph.rows, 1)), strict=False):
            if len(of_rows) < graph.rows:
                of_rows = F.pad(of_rows, (0, 0, 0, graph.rows - len(of_rows)))
            sums = block.sums(x, graph.relations)
            weight_grad += of_rows.T @ sums
            if ctx.needs_input_grad[0]:  # the sums are read no more
                of_sources.append(block.sums_back(torch.mm(of_rows, weight, out=sums), x.shape[1]))
        x_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = graph.gathered(of_sources) if of_sources else torch.zeros_like(x)
        return x_grad, weight_grad.to(weight.dtype), None


def sum_by_rows(x: torch.Tensor, weight: torch.Tensor, graph: RowBlocks) -> torch.Tensor:
    """What each target receives, [targets, d_out]: its sums of x by relation, side by side, times the matrix.

    Parameters
    ----------
    x : float [N, d]
    weight : float [d_out, relations * d]
        Columns r * d to (r + 1) * d - 1 belong to relation r.
    graph : RowBlocks
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return _SumByRows.apply(x.to(dtype), weight.to(dtype), graph)
    return _SumByRows.apply(x, weight, graph)
