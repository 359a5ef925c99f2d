"""The line graph: edges that follow one another, by the angle between them.

Source: Zhang et al. 2023 (GearNet), section 3.3; specs/siamdiff.md, section 2.

Two edges from a to b of different relation meet the same edges at the same angles. So the line graph is made on the
ordered pairs (a, b) that any edge joins, and what is the same for the edges of a pair is computed once.
"""

import dataclasses

import torch

from plait.encoders.blocks.relational import Relation, offsets_of, relations
from plait.encoders.blocks.relational_rows import RowBlocks


@dataclasses.dataclass(frozen=True)
class LineGraph:
    """Line edges between the pairs of a graph.

    Attributes
    ----------
    pair : int64 [P, 2]
        Source and target of each pair, by source and then target.
    pair_of : int64 [E] or None
        Pair of each edge; None where edge i is pair i.
    source, target : int64 [M]
        Pairs (a, b) and (b, c), c = a included, by the second: what meets at b stands together.
    bin : int64 [M]
        Which of the equal parts of [0, pi] the angle a-b-c is in. Zero where a or c is b.
    """

    pair: torch.Tensor
    pair_of: torch.Tensor | None
    source: torch.Tensor
    target: torch.Tensor
    bin: torch.Tensor

    def relations(self, bins: int) -> list[Relation]:
        """The line edges by bin, for `relational_sum` from pairs to pairs, equal sums once."""
        return relations(self.source, self.target, self.bin, bins, shared=True)

    def rows(self, bins: int) -> RowBlocks:
        """The same for `sum_by_rows`."""
        return RowBlocks.of(self.source, self.target, self.bin, len(self.pair), len(self.pair), bins)

    def on_edges(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same between edges, as published: first edge, second edge and bin, int64 [L] each, by the second."""
        if self.pair_of is None:
            return self.source, self.target, self.bin
        by_pair = self.pair_of.argsort(stable=True)
        edge_offsets = offsets_of(self.pair_of.bincount(minlength=len(self.pair)))
        line_offsets = offsets_of(self.target.bincount(minlength=len(self.pair)))
        second, line = _each(line_offsets, self.pair_of)
        entry, first = _each(edge_offsets, self.source[line])
        return by_pair[first], second[entry], self.bin[line[entry]]


def line_graph(source: torch.Tensor, target: torch.Tensor, position: torch.Tensor, bins: int) -> LineGraph:
    """The line graph of directed edges.

    Parameters
    ----------
    source, target : int64 [E]
        Ends of the edges.
    position : float [N, 3]
        Of the nodes.
    bins : int
        Into how many equal parts of [0, pi] angles are told apart.
    """
    nodes = len(position)
    key, pair_of = (source * nodes + target).unique(return_inverse=True)
    pair = torch.stack([key // nodes, key % nodes], dim=1) if nodes else source.new_zeros(0, 2)
    arriving = offsets_of(pair[:, 1].bincount(minlength=nodes))
    second, entry = _each(arriving, pair[:, 0])
    first = pair[:, 1].argsort(stable=True)[entry]
    vector = (position[pair[:, 0]] - position[pair[:, 1]]).unbind(1)  # (P) each, from b to a
    angle = _angle(
        [(-part).index_select(0, second) for part in vector], [part.index_select(0, first) for part in vector]
    )
    part = (angle * (bins / torch.pi)).long().clamp(max=bins - 1)
    return LineGraph(pair, None if len(key) == len(source) and _is_range(pair_of) else pair_of, first, second, part)


def _each(offsets: torch.Tensor, groups: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each entry of `groups` the members of that group, `offsets[g] : offsets[g + 1]`: entry and member."""
    count = offsets.diff()[groups]
    entry = torch.arange(len(groups), device=groups.device).repeat_interleave(count)
    begin = offsets[groups] - offsets_of(count)[:-1]
    return entry, begin[entry] + torch.arange(len(entry), device=groups.device)


def _angle(u: list[torch.Tensor], v: list[torch.Tensor]) -> torch.Tensor:
    """Angle [M] between vectors, three coordinates [M] each, in [0, pi]; zero where one of them is zero."""
    across = [u[i] * v[j] - u[j] * v[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    across = (across[0].square() + across[1].square() + across[2].square()).sqrt()
    return torch.atan2(across, (u[0] * v[0] + u[1] * v[1] + u[2] * v[2]).add(0.0))


def _is_range(index: torch.Tensor) -> bool:
    return bool((index == torch.arange(len(index), device=index.device)).all())
