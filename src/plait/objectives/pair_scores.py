"""Scores of pairs of nodes that say how to take noise off their positions: what is asked, answered and compared.

A pair's score is a number along the line that joins its nodes; at a node the scores of its pairs add up to a vector,
and these are compared. Source: Zhang et al. 2023 (SiamDiff), section 3.2; specs/siamdiff.md, section 6.
"""

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from plait.encoders.base import Representation
from plait.objectives.base import Term, View
from plait.objectives.node_graphs import NodeGraph, ViewNodes, vectors
from plait.objectives.perceptron import Perceptron
from plait.objectives.scalar_networks import two_layers


@dataclasses.dataclass(frozen=True)
class PairQuestions:
    """Pairs of nodes of one protein, each once, and what is asked of them.

    Attributes
    ----------
    code : int64 [P, 2]
    share : float32 [P, 2]
        Weight of the pair in the vector of its first and of its second node.
    score : float32 [P]
        How much shorter the noise made the pair, over the noise scale; what is to be found.
    """

    code: np.ndarray
    share: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, graph: NodeGraph, clean: np.ndarray, noised: np.ndarray, scale: float) -> "PairQuestions":
        """From the places of the graph's nodes float64 [N, 3] without and with noise of this scale.

        At a node the mean over edges that leave it and the mean over those that arrive are added; loops count in them
        and edges of several relations are counted one by one.
        """
        source, target = graph.edge.T
        nodes = len(graph.code)
        leaving = np.bincount(source, minlength=nodes).clip(min=1)
        arriving = np.bincount(target, minlength=nodes).clip(min=1)
        straight = source != target
        source, target = source[straight], target[straight]
        low, high = np.minimum(source, target), np.maximum(source, target)
        key, pair = np.unique(low * max(nodes, 1) + high, return_inverse=True)
        ends = np.stack([key // max(nodes, 1), key % max(nodes, 1)], axis=1)
        share = np.zeros((len(key), 2))
        np.add.at(share, (pair, (source > target).astype(int)), 1 / leaving[source])
        np.add.at(share, (pair, (target > source).astype(int)), 1 / arriving[target])
        length = [np.linalg.norm(place[ends[:, 0]] - place[ends[:, 1]], axis=-1) for place in (clean, noised)]
        score = (length[0] - length[1]) / scale
        return cls(graph.code[ends], share.astype(np.float32), score.astype(np.float32))


class PairScoreHead(nn.Module):
    """Scores from the product of two nodes' vectors and their distance with noise: the same in either order of them."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.struct_mlp = Perceptron.of(2 * width, width, 1, layers)
        self.dist_mlp = Perceptron.of(1, width, width, layers)

    def read(self, representation: Representation, view: View, level: str, pairs: np.ndarray, places: View):
        """Products [P, d] and distances float32 [P] of pairs int64 [P, 2]: vectors are those of a `view`, positions
        those of `places`."""
        first, second = (vectors(representation, level, ends, view) for ends in pairs.T)
        distance = torch.as_tensor(_lines(places, level, pairs)[1], dtype=torch.float32, device=first.device)
        return first * second, distance

    def forward(self, product: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        """Scores [P]."""
        first = self.struct_mlp.layers[0]
        of_product, of_known = first.weight.split(product.shape[1], dim=1)
        known = self._known(distance, of_known)
        score = F.linear(product.to(of_product.dtype), of_product, first.bias)
        return self.struct_mlp.after_first(score + known.to(score.dtype))[:, 0]

    def _known(self, distance: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        """A matrix [d_out, d] times what `dist_mlp` gives, [P, d_out]. Its last layer has no ReLU behind it, so the
        matrix is put into that layer, not before as many rows as there are pairs."""
        device = distance.device.type
        layers = [(layer.weight, layer.bias) for layer in self.dist_mlp.layers]
        with torch.autocast(device, enabled=False):
            if len(layers) == 1 or len(distance) > 3 * len(matrix):  # else putting one into the other costs more
                weight, bias = layers.pop()
                layers.append((matrix @ weight, matrix @ bias))
            else:
                layers.append((matrix, None))
            if len(layers) == 1:
                return F.linear(distance[:, None].to(weight.dtype), *layers[0])
        x = two_layers(distance, *layers[0], *layers[1])
        x = x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
        apart = layers[-1][0] is matrix
        for weight, bias in layers[2 : len(layers) - apart]:
            x = F.linear(F.relu(x, inplace=True), weight, bias)
        return F.linear(x, matrix) if apart else x


def structure_loss(
    score: torch.Tensor, view: View, level: str, names: dict[str, np.ndarray]
) -> tuple[torch.Tensor, int]:
    """Squared difference of the nodes' vectors from those of the true scores, mean over the nodes of each protein and
    over proteins; and the number of pairs asked.

    Parameters
    ----------
    score : float [P]
    view : View
        With the positions.
    names : dict of str to array
        The questions: "code", "share", "score", and their weights "asked" [P].
    """
    device = score.device
    line, _, ends, nodes = _lines(view, level, names["code"])
    asked = torch.as_tensor(names["asked"] * (ends >= 0).all(1), device=device)
    error = (score.float() - torch.as_tensor(names["score"], device=device)) * asked
    push = torch.as_tensor(line, dtype=torch.float32, device=device) * error[:, None]
    share = torch.as_tensor(names["share"], device=device)
    rows = torch.as_tensor(ends.clip(min=0), device=device)
    vector = push.new_zeros(max(1, len(nodes.code)), 3)
    vector = vector.index_add(0, rows[:, 0], share[:, :1] * push).index_add(0, rows[:, 1], -share[:, 1:] * push)
    counts = np.bincount(nodes.protein, minlength=len(view.proteins))
    each = 1 / np.maximum(counts, 1)[nodes.protein] / max(1, (counts > 0).sum())
    each = torch.as_tensor(each, dtype=torch.float32, device=device)
    value = (vector[: len(each)].square().sum(-1) * each).sum()
    return value, int((asked > 0).sum())


def _lines(view: View, level: str, pairs: np.ndarray):
    """Unit vectors [P, 3] from the second to the first node of each pair, their distances [P], their rows among the
    nodes [P, 2] (-1: gone), and the nodes."""
    nodes = ViewNodes(view, level)
    ends = nodes.find(pairs)
    between = nodes.position[ends[:, 0]] - nodes.position[ends[:, 1]] if len(nodes.code) else np.zeros((len(ends), 3))
    distance = np.linalg.norm(between, axis=-1)
    return between / (distance[:, None] + 1e-10), distance, ends, nodes


def mean_term(parts: list[tuple[torch.Tensor, int]], weight: float) -> Term:
    """The mean of some values, with their counts summed."""
    return Term(sum(value for value, _ in parts) / len(parts), weight, sum(count for _, count in parts))
