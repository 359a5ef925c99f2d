"""The vectors of a track's edges, made once before the layers (specs/vabsnet.md, section 3)."""

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.blocks.gaussians import TypeAffineGaussians
from plait.encoders.blocks.initialisation import linear
from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.directions import code_width, direction_code
from plait.encoders.vabsnet.graph import Track
from plait.encoders.vabsnet.published import PAIR_FACTOR, PAIRS
from plait.encoders.vabsnet.tracks import REACH, SPECIAL_REACH


class EdgeEncoder(nn.Module):
    """Types of both ends, distance, directions and sequence separation to a vector for each edge.

    `forward(track, types)` takes the type of each node of the track, int64 [nodes], and gives float [E, edge_width].
    """

    def __init__(self, config: VabsnetConfig):
        super().__init__()
        self.config = config
        width = config.edge_width
        self.pairs = nn.Embedding(PAIRS, width)
        nn.init.normal_(self.pairs.weight, std=0.02)
        self.distances = TypeAffineGaussians(
            config.kernels, width, stop=config.kernel_stop, factor=config.kernel_factor, final=config.final
        )
        code = config.direction_kinds * code_width(config.frequencies, config.sinusoidal)
        self.directions = None
        if code:
            self.directions = nn.Sequential(
                linear(width + code, width, "glorot"),
                nn.LeakyReLU(),
                nn.LayerNorm(width),
                linear(width, width, "glorot"),
                nn.LeakyReLU(),
                nn.LayerNorm(width),
                linear(width, width, "glorot"),
            )
        self.separation = nn.Embedding(2 * REACH + 1, width)
        self.special_separation = nn.Embedding(2 * SPECIAL_REACH + 1, width)

    def forward(self, track: Track, types: torch.Tensor) -> torch.Tensor:
        receiver, sender = types[track.receivers()], types[track.senders()]
        edges = self.pairs(receiver * PAIR_FACTOR + sender) + self.distances(track.distance, receiver, sender)
        if self.directions is not None:
            edges = self.directions(torch.cat([edges, self.codes(track).to(edges.dtype)], -1))
        table = torch.cat([self.separation.weight, self.special_separation.weight])
        return edges + F.embedding(track.separation, table)

    def codes(self, track: Track) -> torch.Tensor:
        """Codes of the directions, float64 [E, V]."""
        codes = direction_code(
            track.vectors,
            self.config.frequencies,
            sinusoidal=self.config.sinusoidal,
            published_angle=self.config.third_angle == "published",
        )
        return codes.flatten(1)
