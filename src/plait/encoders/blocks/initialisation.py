"""Linear layers with the initial weights that networks of the AlphaFold kind use."""

import math
from typing import Literal

import torch
from torch import nn

TRUNCATION = 0.87962566103423978
"""Standard deviation of a standard normal cut off at 2 on both sides."""

Initial = Literal["default", "relu", "glorot", "final", "zero"]

FINAL_DEVIATION = 0.02
"""Of "final" layers, which close a residual branch. Zero, as published, leaves everything below without a gradient in
the first step."""


def linear(inputs: int, outputs: int, initial: Initial = "default", *, bias: bool = True) -> nn.Linear:
    """A linear layer; its bias starts at zero.

    `initial` is "default" (normal, variance 1 / inputs), "relu" (twice that variance), "glorot" (uniform), "final"
    (normal, narrow) or "zero".
    """
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        if initial == "glorot":
            nn.init.xavier_uniform_(layer.weight)
        elif initial == "final":
            layer.weight.normal_(std=FINAL_DEVIATION)
        elif initial == "zero":
            layer.weight.zero_()
        else:
            scale = 2.0 if initial == "relu" else 1.0
            layer.weight.normal_(std=math.sqrt(scale / inputs) / TRUNCATION)
        if bias:
            layer.bias.zero_()
    return layer
