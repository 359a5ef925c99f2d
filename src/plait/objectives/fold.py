"""Folds: tell which of many folds a domain has."""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.data.folds import CLASSES, HEAD
from plait.errors import InputError
from plait.objectives.base import Objective, Term, weighted_mean
from plait.references import GEARNET
from plait.registry import register


@dataclasses.dataclass(frozen=True)
class FoldConfig:
    classes: int = option(
        CLASSES["homology"], "number of folds that the examples are labelled with: 1139 by homology, 1195 official"
    )


@register("objective")
class Fold(Objective):
    """Cross-entropy of the fold, a mean over the proteins that are labelled.

    Labels come from "fold" [] among an example's protein labels, from 0; examples without it are not asked, so it goes
    beside other objectives.
    """

    name = "fold"
    summary = "folds: which of many a domain has"
    reference = GEARNET.at("section 4.2, fold classification")
    Config = FoldConfig

    def __init__(self, config: FoldConfig | None = None):
        self.config = config or FoldConfig()
        if self.config.classes < 2:
            raise InputError("number of folds", got=self.config.classes, expected="at least 2")
        self.heads = {HEAD: self.config.classes}

    def corrupt(self, view, examples, generator):
        asked = np.array(["fold" in example.protein_labels for example in examples], bool)
        target = np.array([int(example.protein_labels.get("fold", 0)) for example in examples], np.int64)
        if len(target) and not 0 <= target.min() <= target.max() < self.config.classes:
            raise InputError(
                "a fold that does not fit the objective",
                place=examples[int(target.argmax())].id,
                got=f"class {target.max()} (from 0)",
                expected=f"one of {self.config.classes}",
                do="Set the objective's option classes to the number of folds of the data: "
                + ", ".join(f"{count} ({source})" for source, count in CLASSES.items()),
            )
        return dataclasses.replace(
            view,
            targets={**view.targets, HEAD: target},
            weights={**view.weights, HEAD: asked.astype(np.float32)},
        )

    def loss(self, outputs, view):
        logit = outputs[HEAD].float()  # (B, C)
        target = torch.as_tensor(view.targets[HEAD], device=logit.device)
        weight = torch.as_tensor(view.weights[HEAD], device=logit.device)
        entropy = F.cross_entropy(logit, target, reduction="none")
        return {"fold": Term(weighted_mean(entropy, weight), 1.0, int((weight > 0).sum()))}

    def perfect(self, view):
        return {HEAD: 400.0 * F.one_hot(torch.as_tensor(view.targets[HEAD]), self.config.classes)}
