"""Distilling evolutionary profiles: the distribution of residues that homologs have at a position."""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.objectives.base import Objective, Term, weighted_mean
from plait.registry import Reference, register


@dataclasses.dataclass(frozen=True)
class ProfileConfig:
    most_sequences: float = option(
        30.0, "a position weighs the square root of its number of effective sequences, up to this many"
    )


@register("objective")
class Profile(Objective):
    """Cross-entropy against the profile column of every position that has one, hidden or not.

    It hides nothing itself: add it to `masked-lm`. The target is the label "profile" of an example, weighted by the
    square root of its label "neff" (number of effective sequences), as deep columns say more.
    """

    name = "profile"
    summary = "profile distillation: predict which residues homologs have at each position"
    reference = Reference(
        "Marquet C, Schlensok J, Abakarova M, Rost B, Laine E",
        "Expert-guided protein language models enable accurate and blazingly fast fitness prediction",
        "Bioinformatics 40(11):btae621",
        2024,
        "10.1093/bioinformatics/btae621",
        "VespaG teaches a network the scores of alignments; profiles as targets are plait's form of it",
    )
    Config = ProfileConfig
    heads = {"profile": 20}

    def __init__(self, config: ProfileConfig | None = None):
        self.config = config or ProfileConfig()

    def corrupt(self, view, examples, generator):
        profiles, weights = [], []
        for example in examples:
            residues = len(example.protein)
            profile = example.labels.get("profile", np.zeros((residues, 20), np.float32))
            neff = example.labels.get("neff", np.zeros(residues, np.float32))
            known = profile.sum(1) > 0.5
            profiles.append(profile)
            weights.append(np.where(known, np.sqrt(np.minimum(neff, self.config.most_sequences)), 0))
        return dataclasses.replace(
            view,
            targets={**view.targets, "profile": np.concatenate(profiles).astype(np.float32)},
            weights={**view.weights, "profile": np.concatenate(weights).astype(np.float32)},
        )

    def loss(self, outputs, view):
        logits = outputs["profile"]  # (R, 20)
        target = torch.as_tensor(view.targets["profile"], device=logits.device)
        weight = torch.as_tensor(view.weights["profile"], device=logits.device)
        entropy = -(target * F.log_softmax(logits.float(), dim=-1)).sum(-1)  # (R,)
        return {"profile": Term(weighted_mean(entropy, weight), 1.0, int((weight > 0).sum()))}
