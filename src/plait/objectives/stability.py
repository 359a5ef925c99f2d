"""Measured folding stability: rank the substitutions of a protein by what they cost."""

import dataclasses
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import option
from plait.data.stability import KINDS, Stability
from plait.objectives.base import Objective, Term, View, weighted_mean
from plait.registry import register
from plait.structure.vocabulary import UNKNOWN


@dataclasses.dataclass(frozen=True)
class StabilityObjectiveConfig:
    ranking: Literal["pearson", "pairwise"] = option(
        "pearson",
        "how the order within a protein is taught: one minus the Pearson correlation; or, for every two "
        "substitutions, the cross-entropy of which of them destabilises more",
    )
    noise: float = option(
        0.4, "difference (kcal/mol) at which pairwise ranking holds the measured order for right with odds of e to 1"
    )
    error: float = option(0.1, "weight of the squared error, with the ranking's as 1")
    scale_rows: float = option(
        10.0, "the error is divided by the protein's scale, which counts so many further rows of 1 kcal/mol"
    )
    fewest: int = option(10, "a protein with fewer measured substitutions is taught by the squared error only")
    weighting: Literal["equal", "sqrt"] = option(
        "sqrt", "proteins weigh alike, or as the square root of their number of measured substitutions"
    )
    upon_profile: bool = option(
        False,
        "the score is the log-odds of the profile head, times how sensitive a head says the site is, plus the head's",
    )


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The measured substitutions that are asked, group (protein and kind of assay) after group."""

    residue: torch.Tensor  # int64 [N], among all residues of the batch
    wild_type: torch.Tensor  # int64 [N]
    mutant: torch.Tensor  # int64 [N]
    change: torch.Tensor  # float32 [N], minus ddg in kcal/mol: higher is more stable
    group: torch.Tensor  # int64 [N]
    counts: np.ndarray  # int64 [G], rows of each group
    ranked: np.ndarray  # bool [G], whether there are rows enough, and different values, to rank


@register("objective")
class StabilityObjective(Objective):
    """Ranks the measured substitutions of each protein, and less so, hits their values.

    The head has an output for each residue type; the score of a substitution, s, is the mutant's output less the wild
    type's: minus the change of folding free energy, in kcal/mol. For each protein and kind of assay with enough rows,
    one minus the Pearson correlation of s and -ddg, or the pairwise form: with p = sigmoid(difference of -ddg / noise)
    and q = sigmoid(difference of s / noise), the mean Kullback-Leibler divergence of (q, 1 - q) from (p, 1 - p) over
    all pairs. For every protein the mean of ((s + ddg) / scale)^2, where scale^2 = (sum of ddg^2 + scale_rows) / (rows
    + scale_rows) in (kcal/mol)^2: assays squeeze large values, each protein's differently, and wide ranges would rule
    the sum.

    It hides nothing itself. Beside `masked-lm`, substitutions of residues whose type the encoder does not see are not
    asked. Values come from the labels "ddg_megascale" and "ddg_curated"; examples without them are not asked.
    """

    name = "stability"
    summary = "measured stability: rank substitutions within a protein by their change of folding free energy"
    reference = Stability.reference.at("the measurements; correlation and squared error within a protein are plait's")
    Config = StabilityObjectiveConfig

    def __init__(self, config: StabilityObjectiveConfig | None = None):
        self.config = config or StabilityObjectiveConfig()
        self.heads = {"stability": 20}
        if self.config.upon_profile:
            self.heads |= {"sensitivity": 1, "profile": 20}

    def corrupt(self, view, examples, generator):
        changes, types = [], []
        for example in examples:
            missing = np.full((len(example.protein), 20), np.nan, np.float32)
            changes.append(np.stack([-example.labels.get(f"ddg_{kind}", missing) for kind in KINDS], axis=-1))
            types.append(example.protein.residue_type.astype(np.int64))
        change, wild_type = np.concatenate(changes), np.concatenate(types)
        known = np.nonzero(wild_type != UNKNOWN)[0]
        change[known, wild_type[known]] = np.nan
        asked = (wild_type != UNKNOWN) & np.isfinite(change).any(axis=(1, 2))
        return dataclasses.replace(
            view,
            targets={**view.targets, "stability": change, "wild_type": wild_type},
            weights={**view.weights, "stability": asked.astype(np.float32)},
        )

    def perfect(self, view):
        # by kind of assay; where two kinds were measured their mean is as near as can be
        whole = torch.as_tensor(view.targets["stability"]).nanmean(-1).nan_to_num()
        rest = {name: torch.zeros(len(whole), width) for name, width in self.heads.items() if name != "stability"}
        return {"stability": whole, **rest}

    def loss(self, outputs, view):
        output = whole_stability(outputs)  # (R, 20)
        rows = self._rows(view, output.device)
        score = output[rows.residue, rows.mutant] - output[rows.residue, rows.wild_type]  # (N,)
        weight = np.sqrt(rows.counts) if self.config.weighting == "sqrt" else np.ones(len(rows.counts))
        weight = torch.as_tensor(weight, dtype=torch.float32, device=output.device)  # (G,)
        ranked = torch.as_tensor(rows.ranked, device=output.device)
        ranking = self._correlation(score, rows) if self.config.ranking == "pearson" else self._pairs(score, rows)
        error = self._error(score, rows)
        return {
            "stability_ranking": Term(weighted_mean(ranking, weight * ranked), 1.0, int(rows.ranked.sum())),
            "stability_error": Term(weighted_mean(error, weight), self.config.error, len(rows.counts)),
        }

    def _rows(self, view: View, device) -> _Rows:
        change, wild_type = view.targets["stability"], view.targets["wild_type"]
        shown = np.concatenate([protein.residue_type for protein in view.proteins])
        hidden = np.concatenate(view.masked)
        asked = (view.weights["stability"] > 0) & (shown == wild_type) & ~hidden
        owner = np.repeat(np.arange(len(view.proteins)), [len(protein) for protein in view.proteins])
        residue, mutant, kind = np.nonzero(np.isfinite(change) & asked[:, None, None])
        groups, group = np.unique(owner[residue] * len(KINDS) + kind, return_inverse=True)
        order = np.argsort(group, kind="stable")
        residue, mutant, kind, group = residue[order], mutant[order], kind[order], group[order]
        values = change[residue, mutant, kind]
        counts = np.bincount(group, minlength=len(groups))
        starts = np.cumsum(counts) - counts
        differ = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts) > 1e-3 if len(groups) else []
        return _Rows(
            *(torch.as_tensor(array, device=device) for array in (residue, wild_type[residue], mutant, values, group)),
            counts=counts,
            ranked=(counts >= max(2, self.config.fewest)) & np.asarray(differ, bool),
        )

    def _error(self, score: torch.Tensor, rows: _Rows) -> torch.Tensor:
        """Mean squared error over the squared scale, of each group [G]."""
        count = torch.as_tensor(rows.counts, device=score.device)
        scale = (_sums(rows.change**2, rows) + self.config.scale_rows) / (count + self.config.scale_rows)
        return _sums((score - rows.change) ** 2, rows) / count / scale

    def _correlation(self, score: torch.Tensor, rows: _Rows) -> torch.Tensor:
        """One minus the Pearson correlation of each group [G]; a constant score has the correlation 0."""
        count = torch.as_tensor(rows.counts, device=score.device)
        score = score - (_sums(score, rows) / count)[rows.group]
        change = rows.change - (_sums(rows.change, rows) / count)[rows.group]
        covariance = _sums(score * change, rows)
        # The least sums of squares, of rows 1e-3 kcal/mol apart and closer, keep the gradient of a constant finite.
        score_squares = _sums(score**2, rows).clamp(min=1e-6)
        change_squares = _sums(change**2, rows).clamp(min=1e-6)
        return 1 - covariance * (score_squares * change_squares).rsqrt()

    def _pairs(self, score: torch.Tensor, rows: _Rows) -> torch.Tensor:
        """Mean divergence over the pairs of each group [G]; takes memory for the square of the largest group."""
        values, sizes = [], rows.counts.tolist()
        for part, change, ranked in zip(score.split(sizes), rows.change.split(sizes), rows.ranked, strict=True):
            if not ranked:
                values.append(part.sum() * 0)
                continue
            first, second = torch.triu_indices(len(part), len(part), 1, device=part.device)
            wanted = (change[first] - change[second]) / self.config.noise  # (P,)
            given = (part[first] - part[second]) / self.config.noise
            likely = wanted.sigmoid()
            values.append((likely * (wanted - given) + F.softplus(given) - F.softplus(wanted)).mean())
        return torch.stack(values) if values else score


def whole_stability(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Minus the change of folding free energy in kcal/mol, up to a constant for each residue: float32 [R, 20].

    The head "stability" [R, 20] alone, or where there is a head "sensitivity" z [R, 1], on top of log(1 + exp(z)) times
    the logits of the head "profile" [R, 20]. Some thousand measurements of small domains teach how much each site
    matters far better than a matrix from nothing (docs/results/model.md).
    """
    own = outputs["stability"].float()
    if "sensitivity" not in outputs:
        return own
    return own + F.softplus(outputs["sensitivity"].float()) * outputs["profile"].float()


def _sums(values: torch.Tensor, rows: _Rows) -> torch.Tensor:
    """Sum over the rows of each group [G]."""
    return values.new_zeros(len(rows.counts)).index_add(0, rows.group, values)
