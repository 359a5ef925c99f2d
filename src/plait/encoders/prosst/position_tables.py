"""The position table of the language model, projected by one layer and laid out by distance in sequence."""

import torch
from torch.nn import functional as F

KEPT_BYTES = 4 * 2**20
"""Projected tables of one layer are kept between calls in inference as far as this goes."""


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
        """Tables (H, 2 L - 1, c) of distances, or None where there is no projection.

        The first is for residue -> position: row d + L - 1 is for j - i = d. The second is for position -> residue:
        row e + L - 1 is for i - j = e. Beyond the table its end rows repeat.

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
        first, last = max(0, self.reach + 1 - length), min(2 * self.reach, self.reach + length) - 1
        needed = F.dropout(positions[first : last + 1], self.dropout, training)
        found = []
        for name, layer in (("towards", towards), ("backwards", backwards)):
            if layer is None:
                found.append(None)
                continue
            table = self.kept.get(name)
            if table is None or table.shape[1] < 2 * length - 1:
                rows = needed.flip(0) if layer is towards else needed
                table = self._by_distance(layer(rows), length, reverse=layer is towards)
                if layer is backwards:
                    table = table.mul_(self.scale)
                others = sum(_bytes(other) for key, other in self.kept.items() if key != name)
                if again and others + _bytes(table) <= KEPT_BYTES:
                    self.kept[name] = table
            spare = table.shape[1] // 2 - (length - 1)
            found.append(table[:, spare : spare + 2 * length - 1])
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

    def _by_distance(self, projected, length, reverse):
        """Projected rows (n, D) in heads, (H, 2 L - 1, c): a view, but beyond the table's reach."""
        table = projected.unflatten(-1, (self.heads, -1)).transpose(0, 1)
        if table.shape[1] == 2 * length - 1:
            return table
        row = torch.arange(1 - length, length, device=projected.device) + self.reach
        row = row.clamp(0, 2 * self.reach - 1) - max(0, self.reach + 1 - length)
        # rows that stand in reverse: the last of them is the first of the table
        return table.index_select(1, table.shape[1] - 1 - row.flip(0) if reverse else row)


def _bytes(table):
    return table.numel() * table.element_size()
