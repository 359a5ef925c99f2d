"""The feed-forward parts of encoders: a residual branch's two layers, heads with a norm, whole rows dropped."""

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.blocks.initialisation import Initial, linear


class FeedForward(nn.Module):
    """linear_2(dropout(gelu(linear_1(x)))), the branch after an attention."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.0, final: Initial = "final"):
        super().__init__()
        self.linear_1 = linear(width, hidden, "relu")
        self.linear_2 = linear(hidden, width, final)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_2(self.dropout(F.gelu(self.linear_1(x))))


class NormedPerceptron(nn.Module):
    """linear_out(gelu(norm(linear_in(x)))): one hidden layer as wide as its input.

    With `norm_first` the input is normalised before (for states that are not).
    """

    def __init__(self, width: int, outputs: int, *, norm_first: bool = False, final: Initial = "final"):
        super().__init__()
        self.layer_norm_init = nn.LayerNorm(width) if norm_first else None
        self.linear_in = linear(width, width, "relu")
        self.layer_norm = nn.LayerNorm(width)
        self.linear_out = linear(width, outputs, final)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.layer_norm_init is not None:
            x = self.layer_norm_init(x)
        return self.linear_out(F.gelu(self.layer_norm(self.linear_in(x))))


def drop_rows(x: torch.Tensor, probability: float, training: bool) -> torch.Tensor:
    """Whole rows of `x` [N, d] set to zero in training, the others scaled up so that the mean stays."""
    if not training or probability == 0:
        return x
    kept = torch.rand(len(x), 1, device=x.device) >= probability
    return x * kept.to(x.dtype) / (1 - probability)
