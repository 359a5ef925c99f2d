"""Residue types: single residues lose their type, and a small network names them from their vectors."""

import dataclasses
from typing import Literal

import numpy as np
import torch
from torch import nn

from plait.config import option
from plait.encoders.base import Encoder
from plait.objectives import type_questions
from plait.objectives.base import Objective, View, hide_residues
from plait.objectives.perceptron import Perceptron
from plait.references import GEARNET
from plait.registry import register
from plait.structure.vocabulary import BACKBONE


@dataclasses.dataclass(frozen=True)
class ResidueTypeConfig:
    compat: bool = option(False, "draw residues with replacement, as published; one drawn twice counts twice")
    rate: float = option(0.15, "share of residues that are hidden")
    layers: int = option(2, "layers of the network that names them")
    average: Literal["residues", "proteins"] = option(
        "residues", "the loss is the mean over residues, or over proteins of their means (published, of atoms)"
    )


@register("objective")
class ResidueType(Objective):
    """Cross-entropy over the twenty types of residues that are hidden with their side chains.

    Published columns of the answers are in another order; `compat` weights from elsewhere need them exchanged
    (`plait.encoders.blocks.torchdrug.PUBLISHED_RESIDUES`).
    """

    name = "residue-type"
    summary = "name hidden residues from the vectors of a graph's nodes"
    reference = GEARNET.at("section 3.4, self-prediction: residue type prediction")
    Config = ResidueTypeConfig

    def __init__(self, config: ResidueTypeConfig | None = None):
        self.config = config or ResidueTypeConfig()

    def corrupt(self, view, examples, generator):
        config = self.config
        drawn = [type_questions.draw(len(p), config.rate, generator, config.compat) for p in view.proteins]
        return self.ask(view, examples, drawn)

    def ask(self, view: View, examples, drawn: list[np.ndarray]) -> View:
        """The view with these residues of each protein hidden and asked for."""
        kept = BACKBONE[:3] if self.config.compat else BACKBONE
        proteins, masked, asked = [], [], []
        for protein, before, example, chosen in zip(view.proteins, view.masked, examples, drawn, strict=True):
            hidden = np.isin(np.arange(len(protein)), chosen)
            proteins.append(hide_residues(protein, hidden, kept=kept))
            masked.append(before | hidden)
            asked.append(type_questions.ask(example.protein.residue_type, chosen))
        target, weight = (np.concatenate(part) for part in zip(*asked, strict=True))
        targets = {"residue_type": target, f"{self.name}_rows": np.flatnonzero(weight)}
        return dataclasses.replace(
            view,
            proteins=proteins,
            masked=masked,
            targets={**view.targets, **targets},
            weights={**view.weights, "residue_type": weight},
        )

    def make_heads(self, encoder: Encoder) -> nn.Module:
        return TypeHead(encoder.width, self.config.layers, self.name)

    def shapes(self, view):
        return {self.name: (len(type_questions.asked_rows(view, self.name)), 20)}

    def loss(self, outputs, view):
        per_protein = self.config.average == "proteins"
        return type_questions.terms(outputs[self.name], view, self.name, "hidden_type", 1.0, per_protein)

    def perfect(self, view):
        return {self.name: type_questions.perfect(view, self.name)}


class TypeHead(nn.Module):
    """Logits [n, 20] of the asked residues from their vectors."""

    views = ("",)

    def __init__(self, width: int, layers: int, name: str):
        super().__init__()
        self.mlp, self.name = Perceptron.of(width, width, 20, layers), name

    def forward(self, shown, view) -> dict[str, torch.Tensor]:
        vector = shown[""].residue
        rows = torch.as_tensor(type_questions.asked_rows(view, self.name), device=vector.device)
        return {self.name: self.mlp(vector[rows])}
