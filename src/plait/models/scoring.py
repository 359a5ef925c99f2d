"""How a model's outputs become scores of substitutions, and how much each site counts."""

import dataclasses
import functools
from typing import Literal

import numpy as np

from plait.config import option
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.surface import burial, relative_accessibility

BURIAL_SHARE = 0.3
"""Added to the relative burial and to the buried area, each from 0 to 1, so that the surface keeps its own order."""


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How a model's probabilities become scores of substitutions."""

    head: Literal["residue", "profile", "log-odds"] = option(
        "residue", "which output is read: residue (language-model head), profile, or log-odds (of profiles)"
    )
    weighting: Literal["none", "burial", "exposure"] = option(
        "none",
        "what log-odds are multiplied by: nothing; the relative burial of the site, after RSALOR (btaf322); or "
        "exposure: (0.3 + relative burial) (1.3 - relative accessible area), over its largest value",
    )
    burial_radius: float = option(10.0, "neighbours of a C-beta are counted within this distance (angstrom)")
    burial_percentile: float = option(90.0, "this percentile of a chain's counts is burial 1")
    burial_least: float = option(0.05, "least relative burial")
    alignment_prior: float = option(
        14.0, "effective sequences that the prediction counts as beside an alignment (docs/results/alignment.md)"
    )
    alignment_share: float = option(0.5, "weight of the log-probabilities with the alignment beside those without it")
    sites: float = option(
        0.0,
        "how much a predicted binding site counts: a site's weight w becomes 1 - (1 - w) (1 - sites times the "
        "probability that it touches a ligand)",
    )
    site_groups: tuple[str, ...] = option(
        (),
        "where the model of sites tells kinds of partners, the group of each of its columns, in their order; an empty "
        "name leaves a column out. A residue touches a group with the largest probability of its columns, and a "
        "partner unless it touches no group; if not given, the first column alone counts",
    )
    site_rates: tuple[float, ...] = option(
        (),
        "beside site_groups: the share of residues that touch each column's partner, in proteins that bind one; a "
        "probability counts as far as it is above it, over what it could be",
    )
    information: float = option(
        0.0,
        "power of the site's information content, over its largest value log 20, that log-odds are multiplied by: 0.5 "
        "gives conserved sites more weight",
    )
    log_odds: float = option(1.0, "what the weighted log-odds count; 0 for the stability head alone")
    stability: float = option(
        0.0,
        "how much the predicted change of stability counts beside the log-odds, 1 for as much (both weighted by site, "
        "and alike in standard deviation over the chain)",
    )

    @property
    def output(self) -> str:
        """The name of `head` among a network's outputs."""
        return {"residue": "residue_type", "log-odds": "log_odds"}.get(self.head, self.head)


@functools.lru_cache(maxsize=8)
def site_weight(protein: Protein, scoring: Scoring) -> np.ndarray:
    """What the log-odds of each residue are multiplied by: float32 [R], above 0 and at most 1.

    Relative burial b is the number of ideal C-betas within `burial_radius`, over the chain's `burial_percentile`,
    clipped to [`burial_least`, 1]; the chain's median where a residue has no backbone. The exposure weight is
    (0.3 + b) (1.3 - a) / 1.69 with the relative accessible area a, clipped to [0, 1], and 1 - b in place of a where a
    residue's side chain is not there.

    Tsishyn et al. (RSALOR, btaf322) multiply the log-odds of an alignment by 1 - a; burial and area together rank the
    stability measurements better than either (docs/results/model.md).
    """
    if scoring.weighting == "none":
        return np.ones(len(protein), np.float32)
    buried = _relative_burial(protein, scoring)
    if scoring.weighting == "burial":
        return buried
    area = relative_accessibility(protein)
    area = np.clip(np.where(np.isfinite(area), area, 1 - buried), 0, 1)
    weight = (BURIAL_SHARE + buried) * (1 + BURIAL_SHARE - area) / (1 + BURIAL_SHARE) ** 2
    return weight.astype(np.float32)


def raised_by_sites(
    weight: np.ndarray,
    logit: np.ndarray,
    share: float,
    groups: tuple[str, ...] = (),
    rates: tuple[float, ...] = (),
) -> np.ndarray:
    """Weights of sites where those that bind matter too: 1 - (1 - weight) (1 - share * p), float32 [R].

    That exposed residues tolerate substitutions holds for those that have nothing to do there. The sites of function
    lie on the surface, and evolution's log-odds should count in full at them (docs/results/model.md).

    p is the sigmoid of the first column's logit, or with `groups` that of touching any partner (`touches_any`).

    Parameters
    ----------
    weight : float [R], at most 1
    logit : float [R] or [R, columns]
        Of the head "binding_site".
    groups, rates : tuples of str and float
        See `Scoring.site_groups` and `Scoring.site_rates`.

    Raises
    ------
    InputError
        If there is not a group, or where there are rates, a rate from 0 to below 1, for each column.
    """
    logit = np.asarray(logit, np.float64)
    if not groups and logit.ndim == 2:
        logit = logit[:, 0]
    probability = 1 / (1 + np.exp(-np.clip(logit, -500, 500)))
    if groups:
        probability = touches_any(probability.reshape(len(logit), -1), groups, rates)
    return (1 - (1 - weight) * (1 - share * probability)).astype(np.float32)


def information_content(log_p: np.ndarray) -> np.ndarray:
    """log 20 minus the entropy of each row of log-probabilities [R, 20], over log 20: float64 [R], from 0 where all
    residue types are alike to 1 where one is certain. Rows need not be normalised.

    What GEMME (Laine et al., msz179) does with conservation: a substitution costs more where evolution was strict.
    """
    log_p = np.asarray(log_p, np.float64)
    log_p = log_p - log_p.max(1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(1, keepdims=True))
    return np.clip(1 + (np.exp(log_p) * log_p).sum(1) / np.log(log_p.shape[1]), 0, 1)


def touches_any(probability: np.ndarray, groups: tuple[str, ...], rates: tuple[float, ...] = ()) -> np.ndarray:
    """The probability that a residue touches a partner of any group: float64 [R], 1 minus the product over groups of
    1 minus the largest probability among the group's columns [R, columns].

    With `rates`, a probability p is first max(0, (p - rate) / (1 - rate)). The columns' probabilities hold for proteins
    that bind such a partner; of one that need not, a network that sees no sign of it should say nothing, and the rate
    is what it says without a sign.
    """
    if len(groups) != probability.shape[1] or not any(groups):
        raise InputError(
            "groups of partners that do not fit the head for binding sites",
            place="scoring, site_groups",
            got=list(groups),
            expected=f"{probability.shape[1]} names, one at least not empty",
        )
    if rates:
        if len(rates) != len(groups) or not all(0 <= rate < 1 for rate in rates):
            raise InputError(
                "rates of partners that do not fit the groups",
                place="scoring, site_rates",
                got=list(rates),
                expected=f"{len(groups)} numbers from 0 to below 1",
            )
        rates = np.asarray(rates, np.float64)
        probability = np.clip((probability - rates) / (1 - rates), 0, 1)
    untouched = np.ones(len(probability))
    for group in dict.fromkeys(name for name in groups if name):
        untouched *= 1 - probability[:, [name == group for name in groups]].max(1)
    return 1 - untouched


def _relative_burial(protein: Protein, scoring: Scoring) -> np.ndarray:
    count = np.asarray(burial(protein, radius=scoring.burial_radius), np.float32)
    seen = np.isfinite(count)
    if not seen.any():
        return np.ones(len(protein), np.float32)
    full = max(1.0, float(np.percentile(count[seen], scoring.burial_percentile)))
    relative = np.clip(count / full, scoring.burial_least, 1.0)
    return np.where(seen, relative, np.median(relative[seen])).astype(np.float32)
