"""A vector as angles and sines: what an edge knows of the direction to its sender (specs/vabsnet.md, 3.4)."""

import torch

ANGLE_FREQUENCIES = 4
"""Angles are coded with the frequencies 1, 2, 4, 8."""


def code_width(coordinate_frequencies: int, sinusoidal: bool = True) -> int:
    """Numbers that `direction_code` gives for each vector: 90 with the published 10 frequencies."""
    return 3 * (1 + 2 * ANGLE_FREQUENCIES) + 3 * (1 + 2 * coordinate_frequencies) if sinusoidal else 6


def direction_code(
    vector: torch.Tensor, coordinate_frequencies: int, *, sinusoidal: bool = True, published_angle: bool = False
) -> torch.Tensor:
    """Codes [E, `code_width`] of vectors [E, 3], in the dtype of the vectors: give float64.

    For each of three elevation angles: itself, and sine and cosine of 1, 2, 4 and 8 times it. For each coordinate:
    itself, and sine and cosine of 1, 2, 4, ... times it. The high frequencies multiply what rounding there is.

    Parameters
    ----------
    coordinate_frequencies : int
        How many, doubling from 1.
    sinusoidal : bool
        False for nothing but sine and cosine of the angles.
    published_angle : bool
        The third angle as in the published program, which is not like the other two.
    """
    x, y, z = vector.abs().unbind(-1)
    third = (torch.hypot(x, y), torch.hypot(y, z)) if published_angle else (x, torch.hypot(y, z))
    sides = ((z, torch.hypot(x, y)), (y, torch.hypot(x, z)), third)
    opposite, adjacent = (torch.stack(side, -1) for side in zip(*sides, strict=True))  # (E, 3)
    length = torch.hypot(opposite, adjacent)
    divisor = length.clamp(min=torch.finfo(vector.dtype).tiny)
    sine, cosine = opposite / divisor, torch.where(length > 0, adjacent / divisor, 1.0)
    if not sinusoidal:
        return torch.stack([sine, cosine], -1).flatten(-2)
    angles = _doublings(torch.atan2(opposite, adjacent), sine, cosine, ANGLE_FREQUENCIES)
    coordinates = _doublings(vector, vector.sin(), vector.cos(), coordinate_frequencies)
    return torch.cat([angles, coordinates], -1)


def _doublings(value, sine, cosine, frequencies):
    """value, sine and cosine [E, 3] to [E, 3 (1 + 2 frequencies)], each frequency from the one below."""
    columns = [value]
    for number in range(frequencies):
        if number:
            sine, cosine = 2 * sine * cosine, (cosine - sine) * (cosine + sine)
        columns += [sine, cosine]
    return torch.stack(columns, -1).flatten(-2)
