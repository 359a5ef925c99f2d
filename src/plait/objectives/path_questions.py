"""What the objectives share that hide some edges of a graph and ask about the nodes along them.

Source: Zhang et al. 2023 (GearNet), section 3.4; specs/siamdiff.md, section 7 and, for `compat`, 9.8.
"""

import dataclasses
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from plait.config import option
from plait.encoders.base import Encoder
from plait.objectives.base import Objective, Term, View, weighted_mean, without_rows
from plait.objectives.node_graphs import NodeGraph, code_starts, hide_edges, vectors
from plait.objectives.paths import draw_paths, nodes_along
from plait.objectives.perceptron import Perceptron

SHARE = 0.5
"""Largest part of a graph's edges that questions may hide; small proteins are asked less."""


@dataclasses.dataclass(frozen=True)
class PathConfig:
    """Fields that the path objectives share."""

    compat: bool = option(
        False,
        "draw as published: with replacement, loops too; hide the drawn edges and not their opposites (leaks)",
    )
    level: Literal["residue", "atom"] = option("residue", "what the nodes are; atom: needs an encoder of atoms")
    count: int = option(512, "paths of each protein that are asked about, or fewer in a small one")
    layers: int = option(2, "layers of the network that answers")


class PathObjective(Objective):
    """Paths along edges are drawn, their edges hidden from the encoder, and something of their nodes' places is asked.

    Two nodes of a drawn edge do not hear each other in any encoder that reads coordinates, whatever relation or
    direction; residues in Vabs-Net not by their atoms either. ProSST, which reads tokens and no coordinates, is asked
    the same: its tokens stay, a few bits of shape for each residue. Subclasses say how many `steps` a path has, in
    which `order` the answer reads its nodes, how many values it has (`classes`), and `measure` what is asked from
    places float64 [n, steps + 1, 3].
    """

    steps: int
    order: tuple[int, ...]
    classes: int

    def __init__(self, config: PathConfig | None = None):
        self.config = config or self.Config()

    @property
    def shows_embeddings(self):
        return False

    def measure(self, position: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def corrupt(self, view, examples, generator):
        return self.ask(view, [self.draw(protein, generator) for protein in view.proteins])

    def draw(self, protein, generator: np.random.Generator) -> "Drawn":
        """Paths of one protein, and the edges that are hidden for them."""
        config, graph = self.config, NodeGraph.of(protein, self.config.level, self.config.compat)
        if config.compat:
            paths = draw_paths(graph.edge, len(graph.code), self.steps, config.count, generator, simple=False)
            return Drawn(graph, nodes_along(graph.edge, paths), graph.hidden(np.unique(paths)))
        count = min(config.count, int(SHARE * len(graph.edge) / 2 / self.steps))
        paths = draw_paths(graph.edge, len(graph.code), self.steps, count, generator, simple=True)
        paths = paths[np.sort(np.unique(paths, axis=0, return_index=True)[1])]
        chosen = np.unique(paths)
        hidden = graph.hidden(chosen)
        return Drawn(graph, nodes_along(graph.edge, paths), np.concatenate([hidden, hidden[:, [1, 0, 2]]]))

    def ask(self, view: View, drawn: list["Drawn"]) -> View:
        """The view with these edges of each protein hidden, and its paths asked about."""
        starts, level = code_starts(view.proteins, self.config.level), self.config.level
        target = np.concatenate([self.measure(one.graph.position[one.nodes]) for one in drawn])
        codes = [one.graph.code[one.nodes] + start for one, start in zip(drawn, starts)]
        targets = {self.name: target, f"{self.name}_nodes": np.concatenate(codes)}
        # embeddings of whole chains know of the places that are asked
        extras = [hide_edges(without_rows(extra), level, one.hidden) for extra, one in zip(view.extras, drawn)]
        return dataclasses.replace(
            view,
            extras=extras,
            targets={**view.targets, **targets},
            weights={**view.weights, self.name: np.ones(len(target), np.float32)},
        )

    def make_heads(self, encoder: Encoder) -> nn.Module:
        return PathHead(self, encoder.width)

    def shapes(self, view):
        return {self.name: (len(view.targets[self.name]), self.classes)}

    def loss(self, outputs, view):
        output = outputs[self.name].float()
        target = torch.as_tensor(view.targets[self.name], device=output.device)
        asked = torch.as_tensor(view.weights[self.name], device=output.device)
        count = int((asked > 0).sum())
        if self.classes == 1:
            return {self.name: Term(weighted_mean((output[:, 0] - target).square(), asked), 1.0, count)}
        entropy = F.cross_entropy(output, target, reduction="none")
        right = (output.argmax(-1) == target).float()
        return {
            self.name: Term(weighted_mean(entropy, asked), 1.0, count),
            f"{self.name}_accuracy": Term(weighted_mean(right, asked).detach(), 0.0, count),
        }

    def perfect(self, view):
        target = torch.as_tensor(view.targets[self.name])
        if self.classes == 1:
            return {self.name: target[:, None]}
        return {self.name: (F.one_hot(target, self.classes).float() + 1e-9).log()}


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A protein's graph, the nodes of its drawn paths int64 [n, steps + 1], and hidden edges int64 [H, 3]."""

    graph: NodeGraph
    nodes: np.ndarray
    hidden: np.ndarray


class PathHead(nn.Module):
    """Answers [n, classes] from the vectors of a path's nodes side by side."""

    views = ("",)

    def __init__(self, objective: PathObjective, width: int):
        super().__init__()
        self.name, self.level, self.order = objective.name, objective.config.level, list(objective.order)
        inputs = len(self.order) * width
        self.mlp = Perceptron.of(inputs, width, objective.classes, objective.config.layers)

    def forward(self, shown, view) -> dict[str, torch.Tensor]:
        codes = view.targets[f"{self.name}_nodes"][:, self.order]
        return {self.name: self.mlp(vectors(shown[""], self.level, codes, view).flatten(1))}
