"""EC numbers: tell which reactions an enzyme catalyses."""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.data.enzymes import HEAD, TERMS
from plait.errors import InputError
from plait.objectives.base import Objective, Term, weighted_mean
from plait.references import GEARNET
from plait.registry import register


@dataclasses.dataclass(frozen=True)
class EcConfig:
    classes: int = option(TERMS, "number of terms that the examples are labelled with: 538 in the official list")


@register("objective")
class Ec(Objective):
    """Binary cross-entropy of each term, a mean over terms and over the proteins that are labelled.

    Labels come from "ec" [C] among an example's protein labels; examples without it are not asked, so it goes beside
    other objectives.
    """

    name = "ec"
    summary = "EC numbers: which reactions an enzyme catalyses"
    reference = GEARNET.at("section 4.2, enzyme commission number prediction")
    Config = EcConfig

    def __init__(self, config: EcConfig | None = None):
        self.config = config or EcConfig()
        if self.config.classes < 1:
            raise InputError("number of EC terms", got=self.config.classes, expected="at least 1")
        self.heads = {HEAD: self.config.classes}

    def corrupt(self, view, examples, generator):
        target = np.zeros((len(examples), self.config.classes), np.float32)
        weight = np.zeros(len(examples), np.float32)
        for number, example in enumerate(examples):
            if "ec" not in example.protein_labels:
                continue
            label = example.protein_labels["ec"]
            if label.shape != target.shape[1:]:
                raise InputError(
                    "EC labels that do not fit the objective",
                    place=example.id,
                    got=f"{label.shape[-1]} terms",
                    expected=self.config.classes,
                    do=f"Set the objective's option classes to {label.shape[-1]}.",
                )
            target[number], weight[number] = label, 1
        return dataclasses.replace(view, targets={**view.targets, HEAD: target}, weights={**view.weights, HEAD: weight})

    def loss(self, outputs, view):
        logit = outputs[HEAD].float()  # (B, C)
        target = torch.as_tensor(view.targets[HEAD], device=logit.device)
        weight = torch.as_tensor(view.weights[HEAD], device=logit.device)
        entropy = F.binary_cross_entropy_with_logits(logit, target, reduction="none").mean(1)
        return {"ec": Term(weighted_mean(entropy, weight), 1.0, int((weight > 0).sum()))}

    def perfect(self, view):
        return {HEAD: 400 * torch.as_tensor(view.targets[HEAD]) - 200}
