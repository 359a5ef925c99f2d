"""The small networks that objectives read off vectors of nodes."""

import itertools

import torch
from torch import nn


class Perceptron(nn.Module):
    """Linear layers of these widths with ReLU between them. Names of tensors are those of published heads."""

    def __init__(self, *widths: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))

    @classmethod
    def of(cls, inputs: int, width: int, outputs: int, layers: int) -> "Perceptron":
        """So many layers, the inner ones `width` wide."""
        return cls(inputs, *[width] * (layers - 1), outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after_first(self.layers[0](x.to(self.layers[0].weight.dtype)))

    def after_first(self, x: torch.Tensor) -> torch.Tensor:
        """What the later layers make of what the first one gave."""
        for layer in self.layers[1:]:
            x = layer(torch.relu(x))
        return x
