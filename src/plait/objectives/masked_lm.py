"""Masked-language modelling of residue types."""

import dataclasses
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.objectives.base import Objective, Term, hide_residues, weighted_mean, without_rows
from plait.references import PROSST
from plait.registry import register
from plait.structure.vocabulary import UNKNOWN


@dataclasses.dataclass(frozen=True)
class MaskedLMConfig:
    schedule: Literal["fixed", "uniform", "span"] = option(
        "fixed", "how the share of hidden residues is drawn: always `rate`; uniform in 0 to `rate`; in runs of residues"
    )
    rate: float = option(0.15, "share of residues that are hidden (largest share, for the uniform schedule)")
    unmasked: float = option(0.0, "share of examples of which nothing is hidden")
    whole: float = option(0.0, "share of examples of which everything is hidden, as in inverse folding")
    span: int = option(6, "mean length of a run of hidden residues, for the span schedule")
    random: float = option(0.0, "share of the asked residues that show a random type instead (published: 0.1)")
    kept: float = option(0.0, "share of the asked residues that show their own type (published: 0.1; leaks)")


@register("objective")
class MaskedLM(Objective):
    """Cross-entropy over the twenty residue types where the type was hidden.

    The published 80/10/10 rule is `random=0.1, kept=0.1`; the default hides all that is asked, so that nothing leaks.
    """

    name = "masked-lm"
    summary = "masked-language modelling: name the residues that were hidden"
    reference = PROSST.at("pre-training objective")
    Config = MaskedLMConfig
    heads = {"residue_type": 20}

    def __init__(self, config: MaskedLMConfig | None = None):
        self.config = config or MaskedLMConfig()

    def corrupt(self, view, examples, generator):
        proteins, masked, extras, targets, weights = [], [], [], [], []
        for protein, before, extra, example in zip(view.proteins, view.masked, view.extras, examples, strict=True):
            true = example.protein.residue_type
            asked = self._draw(len(protein), generator) & (true != UNKNOWN)
            fate = generator.random(len(protein))
            shown = np.full(len(protein), UNKNOWN, np.int8)
            randomised = asked & (fate < self.config.random)
            kept = asked & (fate >= self.config.random) & (fate < self.config.random + self.config.kept)
            shown[randomised] = generator.integers(0, 20, int(randomised.sum()))
            proteins.append(hide_residues(protein, asked & ~kept, shown))
            masked.append(before | (asked & ~kept & ~randomised))
            extras.append(without_rows(extra, asked))
            targets.append(np.where(asked, true, 0))
            weights.append(asked.astype(np.float32))
        return dataclasses.replace(
            view,
            proteins=proteins,
            masked=masked,
            extras=extras,
            targets={**view.targets, "residue_type": np.concatenate(targets).astype(np.int64)},
            weights={**view.weights, "residue_type": np.concatenate(weights)},
        )

    def loss(self, outputs, view):
        logits = outputs["residue_type"]  # (R, 20)
        target = torch.as_tensor(view.targets["residue_type"], device=logits.device)
        weight = torch.as_tensor(view.weights["residue_type"], device=logits.device)
        entropy = F.cross_entropy(logits.float(), target, reduction="none")  # (R,)
        return {"residue_type": Term(weighted_mean(entropy, weight), 1.0, int((weight > 0).sum()))}

    def _draw(self, residues: int, generator: np.random.Generator) -> np.ndarray:
        kind, config = generator.random(), self.config
        if kind < config.unmasked:
            return np.zeros(residues, bool)
        if kind < config.unmasked + config.whole:
            return np.ones(residues, bool)
        rate = config.rate * generator.random() if config.schedule == "uniform" else config.rate
        if config.schedule != "span":
            return generator.random(residues) < rate
        hidden = np.zeros(residues, bool)
        while hidden.sum() < rate * residues:
            start, length = generator.integers(residues), 1 + generator.poisson(config.span - 1)
            hidden[start : start + length] = True
        return hidden
