"""Multiview: two parts of a protein should be known as parts of the same, among those of others."""

import dataclasses
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from plait.config import option
from plait.data.embeddings import LANGUAGE
from plait.encoders.base import Encoder
from plait.errors import InputError
from plait.objectives.base import Objective, Term, View, weighted_mean
from plait.objectives.node_graphs import NodeGraph, codes_in_a_residue, hide_edges, nodes_of, positions_of
from plait.objectives.perceptron import Perceptron
from plait.references import GEARNET
from plait.registry import register
from plait.structure.protein import Protein


@dataclasses.dataclass(frozen=True)
class MultiviewConfig:
    compat: bool = option(
        False,
        "as published: parts keep the edges and sequence distances of the whole (gearnet and gvp only), one kind of "
        "part and noise is drawn for a batch, the last residue is in no window, and views are compared one way",
    )
    level: Literal["residue", "atom"] = option("residue", "what the nodes are in whose ball a part lies")
    length: int = option(50, "residues of a window")
    radius: float = option(15.0, "radius of a ball in angstrom")
    neighbours: int = option(15, "a ball has as many nodes or more")
    share: float = option(0.15, "share of the edges that are left out, in half of the views")
    temperature: float = option(0.07, "by which cosines are divided")
    layers: int = option(2, "layers of the network between a protein's vector and its cosines")


@dataclasses.dataclass(frozen=True)
class Part:
    """Residues of a protein, bool [R], and edges between them that are left out, int64 [H, 3] (codes, relation) of the
    whole protein with `compat` and else of the part."""

    residues: np.ndarray
    hidden: np.ndarray


@register("objective")
class Multiview(Objective):
    """Two views of each protein, windows of its sequence or balls around a node, each with all edges or some left out;
    the cosine of their vectors is to be larger than with the views of other proteins of the batch (InfoNCE).

    A batch of one protein asks nothing. Structure tokens and embeddings are those of the whole: they tell of what lies
    around a part.
    """

    name = "multiview"
    summary = "tell which two parts are of the same protein, by the vectors of the parts"
    reference = GEARNET.at("section 3.4, multiview contrastive learning")
    Config = MultiviewConfig

    def __init__(self, config: MultiviewConfig | None = None):
        self.config = config = config or MultiviewConfig()
        if not 0 <= config.share < 1 or config.length < 1 or config.temperature <= 0:
            raise InputError(
                "options of multiview are out of range",
                got=f"share {config.share}, length {config.length}, temperature {config.temperature}",
                expected="a share from 0 to below 1, a residue or more, and above 0",
            )

    def corrupt(self, view, examples, generator):
        parts = []
        for _ in VIEWS:
            kind = generator.integers(2, size=2)
            parts.append([])
            for protein in view.proteins:
                if not self.config.compat:
                    kind = generator.integers(2, size=2)
                parts[-1].append(self.draw(protein, *kind, generator))
        return self.ask(view, parts)

    def draw(self, protein: Protein, ball: bool, thinned: bool, generator: np.random.Generator) -> Part:
        """A window or a ball of a protein, with or without all of its edges."""
        config = self.config
        rows, codes = nodes_of(protein, config.level)
        if ball and len(rows):
            residues = np.zeros(len(protein), bool)
            residues[codes[self._ball(positions_of(protein, rows, config.level), generator)] // self._codes] = True
        else:
            spare = max(0, len(protein) - config.length)
            start = int(generator.random() * (spare if config.compat else spare + 1))
            residues = (np.arange(len(protein)) >= start) & (np.arange(len(protein)) < start + config.length)
        hidden = np.zeros((0, 3), np.int64)
        if thinned:
            hidden = self._some_edges(protein, residues, generator)
        return Part(residues, hidden)

    @property
    def _codes(self) -> int:
        return codes_in_a_residue(self.config.level)

    def _ball(self, position: np.ndarray, generator) -> np.ndarray:
        """Nodes nearer to one of them than the radius, or than half as far again as the last of its `neighbours`."""
        centre = position[generator.integers(len(position))]
        apart = np.linalg.norm(position - centre, axis=1)
        farthest = np.sort(apart)[min(self.config.neighbours, len(apart)) - 1]
        return np.flatnonzero(apart < max(self.config.radius, 1.5 * farthest))

    def _some_edges(self, protein: Protein, residues: np.ndarray, generator) -> np.ndarray:
        config = self.config
        if config.compat:
            graph = NodeGraph.of(protein, config.level, compat=True)
            inside = np.flatnonzero(residues[graph.code[graph.edge] // self._codes].all(1))
            count = max(1, int(config.share * len(inside))) if len(inside) else 0
            return graph.hidden(inside[np.unique(generator.integers(0, max(1, len(inside)), count))])
        graph = NodeGraph.of(protein.select(residues), config.level)
        pairs = len(graph.edge) // 2  # their opposites are behind them
        chosen = generator.permutation(pairs)[: int(config.share * pairs)]
        return graph.hidden(np.concatenate([chosen, chosen + pairs]))

    def ask(self, view: View, parts: list[list[Part]]) -> View:
        """The view with two others: for each the parts of its proteins."""
        others = {}
        for name, drawn in zip(VIEWS, parts, strict=True):
            proteins, masked, extras = [], [], []
            for number, part in enumerate(drawn):
                protein, mask = view.proteins[number], view.masked[number]
                # what is said of edges and places elsewhere is of the view that it was said of
                given = {n: v for n, v in view.extras[number].items() if n in ("structure_tokens", LANGUAGE)}
                if self.config.compat:
                    given["kept_residues"] = part.residues
                else:
                    given = {n: v[: len(protein)][part.residues] for n, v in given.items()}
                    protein, mask = protein.select(part.residues), mask[part.residues]
                proteins.append(protein)
                masked.append(mask)
                extras.append(hide_edges(given, self.config.level, part.hidden))
            others[name] = View(proteins, masked, extras, {}, {})
        count = len(view.proteins)
        return dataclasses.replace(
            view,
            others={**view.others, **others},
            targets={**view.targets, self.name: np.arange(count)},
            weights={**view.weights, self.name: np.full(count, count > 1, np.float32)},
        )

    def make_heads(self, encoder: Encoder) -> nn.Module:
        if self.config.compat and "kept_residues" not in encoder.graph_changes:
            raise InputError(
                "this encoder does not read a part of a graph",
                got=encoder.name,
                expected="gearnet, gearnet-edge or gvp",
                do="Leave out compat.",
            )
        return ViewHead(encoder.width, self.config.layers)

    def shapes(self, view):
        count = len(view.proteins)
        return {self.name: (count, len(VIEWS), max(2, count))}

    def loss(self, outputs, view):
        first, second = F.normalize(outputs[self.name].float(), dim=-1).unbind(1)
        alike = first @ second.T / self.config.temperature
        target = torch.as_tensor(view.targets[self.name], device=alike.device)
        asked = torch.as_tensor(view.weights[self.name], device=alike.device)
        ways = (alike,) if self.config.compat else (alike, alike.T)
        error = sum(F.cross_entropy(way, target, reduction="none") for way in ways) / len(ways)
        right = (alike.argmax(-1) == target).float()
        count = int((asked > 0).sum())
        return {
            "multiview": Term(weighted_mean(error, asked), 1.0, count),
            "multiview_accuracy": Term(weighted_mean(right, asked).detach(), 0.0, count),
        }

    def perfect(self, view):
        count = len(view.proteins)
        corners = torch.zeros(count, max(2, count))
        corners[:, :count] = torch.eye(count) - 1 / max(2, count)
        return {self.name: corners[:, None].repeat(1, len(VIEWS), 1)}


VIEWS = ("multiview_0", "multiview_1")


class ViewHead(nn.Module):
    """What is compared of the two views [B, 2, d], from the proteins' vectors."""

    views = VIEWS

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.mlp = Perceptron.of(width, width, width, layers)

    def forward(self, shown, view) -> dict[str, torch.Tensor]:
        return {"multiview": torch.stack([self.mlp(shown[name].protein) for name in VIEWS], dim=1)}
