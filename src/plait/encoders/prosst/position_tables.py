"""The position table of the language model, projected by one layer and laid out by distance in sequence."""

from typing import NamedTuple

import torch
from torch.nn import functional as F

ALIGNED = 16
"""Matrices that products write have rows of a multiple of this many numbers: where rows begin at any address, a float32
product takes up to 1.8 times as long."""

KEPT_BYTES = 4 * 2**20
"""Projected tables of one layer are kept between calls in inference as far as this goes."""


class PositionTable(NamedTuple):
    """A projected table laid out by distance.

    Attributes
    ----------
    columns : float (H, c, W)
        One for each distance, from the least to the largest.
    zero : int
        The column of distance 0.
    """

    columns: torch.Tensor
    zero: int


def aligned(length: int) -> int:
    """The least multiple of `ALIGNED` that is not below `length`."""
    return -(-length // ALIGNED) * ALIGNED


class PositionTables:
    """Projects the rows of the position table that a length needs, and keeps what is asked for again.

    In inference the projections are constant. They are kept from the second time on that a length, or a longer one, is
    asked for: a single pass over one structure leaves nothing behind, and passes over many share the longest.

    Parameters
    ----------
    heads : int
    reach : int
        M: the table has 2 M rows.
    scale : float
        What the rows for position -> residue, which take the place of queries, are multiplied by.
    dropout : float
        Of the rows, in training.
    """

    def __init__(self, heads: int, reach: int, scale: float, dropout: float):
        self.heads, self.reach, self.scale, self.dropout = heads, reach, scale, dropout
        self.forget()

    def forget(self):
        """Start anew, with nothing kept."""
        self.kept, self._made_of, self._longest = {}, None, 0

    def __call__(self, positions, length, towards, backwards, training):
        """A `PositionTable` of at least the distances 1 - L to L - 1 for each projection, None where there is none.

        The first is for residue -> position, its distance j - i; the second for position -> residue, its distance
        i - j. Beyond the reach of the table its ends repeat.

        Parameters
        ----------
        positions : float [2M, D]
        length : int
        towards, backwards : nn.Linear or None
            The layer's `pos_proj` and `pos_q_proj`.
        training : bool
            Whether rows are dropped out.
        """
        if towards is None and backwards is None:
            return None, None
        again = self._asked_before(positions, length, towards, backwards, training)
        # only as many rows as there are distances are projected, and dropped out
        half = aligned(2 * length) // 2
        reached = min(half, self.reach)
        needed = F.dropout(positions[self.reach - reached : self.reach + reached], self.dropout, training)
        found = []
        for name, layer in (("towards", towards), ("backwards", backwards)):
            if layer is None:
                found.append(None)
                continue
            columns = self.kept.get(name)
            if columns is None or columns.shape[2] < 2 * half:
                rows, scale = (needed.flip(0), 1) if layer is towards else (needed, self.scale)
                columns = _projected(layer, rows, scale)  # (D, rows)
                if half > reached:
                    columns = F.pad(columns, (half - reached, half - reached), mode="replicate")
                columns = columns.unflatten(0, (self.heads, -1))  # (H, c, 2 half)
                others = sum(_bytes(other) for key, other in self.kept.items() if key != name)
                if again and others + _bytes(columns) <= KEPT_BYTES:
                    self.kept[name] = columns
            middle = columns.shape[2] // 2
            found.append(PositionTable(columns, middle - 1 if layer is towards else middle))
        return tuple(found)

    def _asked_before(self, positions, length, towards, backwards, training):
        """Whether tables of this length can be kept and have been asked for; forgets what changed weights made."""
        parameters = [positions, *(p for layer in (towards, backwards) if layer for p in layer.parameters())]
        if torch.is_grad_enabled() or training or any(p.is_inference() for p in parameters):
            self.forget()  # inference tensors do not tell when they change
            return False
        # an optimiser step, a loaded state or a move to another device or dtype changes one of these
        made_of = tuple((p.data_ptr(), p._version, p.dtype, p.device) for p in parameters)
        if made_of != self._made_of:
            self.forget()
            self._made_of = made_of
        again = length <= self._longest
        self._longest = max(length, self._longest)
        return again


def _projected(layer, rows, scale):
    """`scale` times what `layer` makes of rows (n, D), a column for each: (D, n)."""
    if layer.bias is None:
        columns = torch.mm(layer.weight, rows.t())
        return columns if scale == 1 else columns.mul_(scale)
    return torch.addmm(layer.bias[:, None], layer.weight, rows.t(), beta=scale, alpha=scale)


def _bytes(table):
    return table.numel() * table.element_size()
