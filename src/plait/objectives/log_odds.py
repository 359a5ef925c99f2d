"""Distilling what an alignment says of each substitution: the ranking of a whole protein by log-odds."""

import dataclasses

import numpy as np
import torch

from plait.config import option
from plait.objectives.base import Objective, Term, weighted_mean
from plait.objectives.profile import Profile
from plait.registry import register
from plait.structure.vocabulary import UNKNOWN

LEAST = 1e-3
"""Added to a probability before its logarithm is taken: far below what pseudocounts leave (specs of the corpus)."""


@dataclasses.dataclass(frozen=True)
class LogOddsConfig:
    most_sequences: float = option(
        30.0, "a position weighs the square root of its number of effective sequences, up to this many"
    )
    error: float = option(0.1, "weight of the squared error, with the correlation's as 1")
    fewest: int = option(10, "proteins with fewer positions that have a profile are taught by the squared error only")


@register("objective")
class LogOdds(Objective):
    """Correlates a head with the log-odds of the profile over all substitutions of a protein.

    The score of a substitution is the head's output for the mutant less that for the wild type, the target
    log(p(mutant) + 0.001) - log(p(wild type) + 0.001) of the profile, in natural logarithms. For each protein one minus
    their weighted Pearson correlation; for every position also the squared error over the protein's mean squared
    target. Cross-entropy (`profile`) teaches the logarithm of a mean, this the mean of logarithms, and what counts is
    the order over the whole protein, as in a mutational scan.

    It hides nothing itself. Beside `masked-lm`, positions whose type the encoder does not see are not asked.
    """

    name = "log-odds"
    summary = "alignment distillation: rank all substitutions of a protein as the log-odds of its profile do"
    reference = Profile.reference.at("scores of alignments as targets; log-odds of profiles and this loss are plait's")
    Config = LogOddsConfig
    heads = {"log_odds": 20}

    def __init__(self, config: LogOddsConfig | None = None):
        self.config = config or LogOddsConfig()

    def corrupt(self, view, examples, generator):
        targets, types, weights = [], [], []
        for example in examples:
            residues = len(example.protein)
            profile = example.labels.get("profile", np.zeros((residues, 20), np.float32))
            neff = example.labels.get("neff", np.zeros(residues, np.float32))
            kind = example.protein.residue_type.astype(np.int64)
            own = np.where(kind == UNKNOWN, 0, kind)
            logs = np.log(profile + LEAST)
            targets.append(logs - logs[np.arange(residues), own][:, None])
            known = (profile.sum(1) > 0.5) & (kind != UNKNOWN)
            weights.append(np.where(known, np.sqrt(np.minimum(neff, self.config.most_sequences)), 0))
            types.append(kind)
        return dataclasses.replace(
            view,
            targets={
                **view.targets,
                "log_odds": np.concatenate(targets).astype(np.float32),
                "wild_type": np.concatenate(types),
            },
            weights={**view.weights, "log_odds": np.concatenate(weights).astype(np.float32)},
        )

    def loss(self, outputs, view):
        output = outputs["log_odds"].float()  # (R, 20)
        target, weight, lengths = self._asked(view, output.device)
        own = torch.as_tensor(view.targets["wild_type"], device=output.device).clamp(max=UNKNOWN - 1)
        score = output - output.gather(1, own[:, None])  # (R, 20)
        correlation, error, counts = [], [], []
        for s, t, w in zip(score.split(lengths), target.split(lengths), weight.split(lengths), strict=True):
            counts.append(int((w > 0).sum()))
            each = w[:, None].expand_as(s)
            s0, t0 = s - weighted_mean(s, each), t - weighted_mean(t, each)
            squares = ((each * s0**2).sum().clamp(min=1e-6), (each * t0**2).sum().clamp(min=1e-6))
            correlation.append(1 - (each * s0 * t0).sum() * (squares[0] * squares[1]).rsqrt())
            error.append(weighted_mean((s - t) ** 2, each) / weighted_mean(t**2, each).clamp(min=1e-6))
        total = torch.stack([part.sum() for part in weight.split(lengths)]).sqrt()  # (B,)
        ranked = torch.tensor([count >= self.config.fewest for count in counts], device=output.device)
        return {
            "log_odds_correlation": Term(
                weighted_mean(torch.stack(correlation), total * ranked), 1.0, int(ranked.sum())
            ),
            "log_odds_error": Term(
                weighted_mean(torch.stack(error), total), self.config.error, sum(count > 0 for count in counts)
            ),
        }

    def perfect(self, view):
        return {"log_odds": torch.as_tensor(view.targets["log_odds"])}

    def _asked(self, view, device):
        """Targets [R, 20], weights [R] of positions whose own type is shown, and the number of residues of each."""
        shown = np.concatenate([protein.residue_type for protein in view.proteins])
        seen = (shown == view.targets["wild_type"]) & ~np.concatenate(view.masked)
        weight = torch.as_tensor(view.weights["log_odds"] * seen, device=device)
        return (
            torch.as_tensor(view.targets["log_odds"], device=device),
            weight,
            [len(protein) for protein in view.proteins],
        )
