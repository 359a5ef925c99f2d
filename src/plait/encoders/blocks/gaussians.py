"""Distances as a row of Gaussians whose argument depends on the types of the two ends."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.blocks.initialisation import Initial, linear


class TypeAffineGaussians(nn.Module):
    """Distances [E] and types of both ends [E] to an edge representation [E, width].

    u = (|scale_i| + |scale_j|) d + shift_i + shift_j; Gaussians of u with `kernels` centres evenly from 0 to `stop`
    and their spacing as width; then two layers. Types are below `types`; receiver and sender have rows of their own.
    Source: specs/vabsnet.md, 3.2.
    """

    ROWS, FIRST_RECEIVER, FIRST_SENDER = 512, 1, 129

    def __init__(self, kernels: int, width: int, *, stop: float, factor: float, final: Initial = "final"):
        super().__init__()
        self.kernels, self.stop = kernels, stop
        self.scale = nn.Embedding(self.ROWS, 1, padding_idx=0)
        self.shift = nn.Embedding(self.ROWS, 1, padding_idx=0)
        nn.init.constant_(self.scale.weight, factor)
        nn.init.zeros_(self.shift.weight)
        self.layer1 = linear(kernels, kernels, "relu")
        self.layer2 = linear(kernels, width, final)

    def values(self, distance: torch.Tensor, receiver: torch.Tensor, sender: torch.Tensor) -> torch.Tensor:
        """The Gaussians [E, kernels], in float32 at least: centres closer than the rounding of half precision."""
        dtype = torch.promote_types(self.scale.weight.dtype, torch.float32)
        a, b = receiver + self.FIRST_RECEIVER, sender + self.FIRST_SENDER
        scale, shift = self.scale.weight.to(dtype)[:, 0], self.shift.weight.to(dtype)[:, 0]
        u = (scale[a].abs() + scale[b].abs()) * distance.to(dtype) + shift[a] + shift[b]
        centres = torch.linspace(0, self.stop, self.kernels, dtype=dtype, device=u.device)
        width = self.stop / (self.kernels - 1)
        # the published program writes 3.14159 for pi, and so did those who trained with it
        return torch.exp(-0.5 * ((u[:, None] - centres) / width) ** 2) / (math.sqrt(2 * 3.14159) * width)

    def forward(self, distance, receiver, sender):
        values = self.values(distance, receiver, sender).to(self.layer1.weight.dtype)
        return self.layer2(F.gelu(self.layer1(values)))
