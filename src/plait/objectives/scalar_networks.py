"""The first two layers of a network that reads one number, without a product over all the numbers that it reads.

Between the places where a unit of the first layer sets in, w x + b = 0, what the second layer gives is a straight line.
So the lines are made, two rows for each stretch that holds any of the numbers, and read off: the same function, added
up in another order.
"""

import torch
import torch.nn.functional as F


def two_layers(
    x: torch.Tensor, slope: torch.Tensor, start: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """What the second layer gives for each of some numbers: `linear(relu(linear(x, slope, start)), weight, bias)`.

    Parameters
    ----------
    x : float [P]
    slope : float [h, 1]
    start : float [h]
        Weight and bias of the first layer.
    weight : float [d, h]
    bias : float [d]

    Returns
    -------
    float [P, d]
        The number itself is read in the precision of the weights, also within autocast: bfloat16 knows 8 angstrom to
        0.03 only.
    """
    with torch.autocast(x.device.type, enabled=False):
        slope, x = slope[:, 0], x.to(slope.dtype)
        with torch.no_grad():
            sets_in = torch.where(slope == 0, torch.inf, -start / slope).sort().values
            stretch, row = torch.searchsorted(sets_in, x).unique(return_inverse=True)
            inside = x.new_empty(len(stretch)).index_copy_(0, row, x)  # any of them
            active = (inside[:, None] * slope + start > 0).to(x.dtype)  # (stretches, h)
        if 8 * len(stretch) < len(x):
            lines = torch.cat([active @ (weight * slope).T, active @ (weight * start).T + bias])
            return _Lines.apply(lines, x, row)
        units = torch.relu(torch.addcmul(start, x[:, None], slope))
    return F.linear(units, weight, bias)  # too few numbers for a table to pay


class _Lines(torch.autograd.Function):
    """x [P] times a row of the first half of a table [2 K, d], and the same row of the second half: [P, d]."""

    @staticmethod
    def forward(ctx, lines, x, row):
        ctx.save_for_backward(x, row)
        ctx.stretches = len(lines) // 2
        rows = torch.stack([row, row + ctx.stretches], dim=1)
        return F.embedding_bag(rows, lines, mode="sum", per_sample_weights=torch.stack([x, torch.ones_like(x)], dim=1))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, row = ctx.saved_tensors
        order = row.argsort(stable=True)
        offsets = F.pad(row.bincount(minlength=ctx.stretches).cumsum(0), (1, 0))
        bags = [
            F.embedding_bag(
                order, grad.contiguous(), offsets, mode="sum", include_last_offset=True, per_sample_weights=weights
            )
            for weights in (x[order], None)
        ]
        return torch.cat(bags), None, None
