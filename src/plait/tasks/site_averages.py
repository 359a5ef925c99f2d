"""Averages of the metrics of binding sites over proteins and ligands, with bootstrap intervals over clusters.

Entries of one cluster (30 % identity) are not independent, and some proteins were crystallised often: clusters are
drawn with replacement, each with all its proteins and ligands. All models see the same draws, so differences are
paired.
"""

import numpy as np

from plait.tasks.bootstrap import draws, ratio
from plait.tasks.pocket_metrics import found_within
from plait.tasks.site_metrics import Ranking, mcc

PER_PROTEIN = ("iou", "iou_half", "atom_iou", "atom_iou_half", "auroc", "auprc", "mcc", "f1")
"""Columns of the table of proteins of which there is a mean."""

COUNTS = ("true_positive", "false_positive", "false_negative", "true_negative")
POOLED = ("auroc_pooled", "auprc_pooled", "mcc_pooled")
ALLOWED = {"top1": 1, "top3": 3, "topn": 0, "topn2": 2}
"""How many pockets count: so many, or for top-n, so many beyond the number of ligands."""

POOLED_RESAMPLES = 200
"""Resamples for areas over all residues together, which have to be ranked anew each time."""


def site_averages(proteins, ligands, residues: dict, *, compared_with: str, seed: int = 0, resamples: int = 10_000):
    """Averages of each model on one split, and of its difference to one of them.

    Parameters
    ----------
    proteins, ligands : pandas.DataFrame
        As `SiteBenchmark` has them, of one split; the same proteins for every model.
    residues : dict of str to (float [N], float [N], int [N])
        Of each model, all residues: probability, truth and cluster.
    compared_with : str
        The model to which differences are taken.

    Returns
    -------
    pandas.DataFrame
        Columns `model`, `metric`, `value`, `standard_error`, `low`, `high` (2.5th and 97.5th percentile of the
        resamples), `count` (of proteins, or ligands), `difference`, `difference_low`, `difference_high`.
    """
    import pandas

    models = list(dict.fromkeys(proteins["model"]))
    clusters = np.unique(proteins["cluster"])
    drawn = draws(len(clusters), np.random.default_rng(seed), resamples)
    found = {}
    for metric in PER_PROTEIN:
        values = [proteins.loc[proteins["model"] == model, ["cluster", metric]].dropna() for model in models]
        found[metric] = _ratios([(one[metric], np.ones(len(one)), one["cluster"]) for one in values], clusters, drawn)
    for name in ("dca", "dcc"):
        for top, beyond in ALLOWED.items():
            for weighting in ("", "_protein"):
                parts = []
                for model in models:
                    own = ligands[ligands["model"] == model]
                    allowed = beyond + (own["ligands"] if top.startswith("topn") else 0)
                    weight = 1 / own["ligands"] if weighting else np.ones(len(own))
                    parts.append((found_within(own[f"{name}_rank"], allowed) * weight, weight, own["cluster"]))
                found[f"{name}_{top}{weighting}"] = _ratios(parts, clusters, drawn)
    found |= _pooled(proteins, residues, models, clusters, drawn)
    first = models.index(compared_with)
    rows = []
    for metric, (value, resampled, count) in found.items():
        apart = resampled - resampled[:, [first]]
        for at, model in enumerate(models):
            low, high = _interval(resampled[:, at])
            difference = _interval(apart[:, at]) if at != first else (np.nan, np.nan)
            rows.append(
                {
                    "model": model,
                    "metric": metric,
                    "value": value[at],
                    "standard_error": _spread(resampled[:, at]),
                    "low": low,
                    "high": high,
                    "count": count[at],
                    "difference": value[at] - value[first] if at != first else np.nan,
                    "difference_low": difference[0],
                    "difference_high": difference[1],
                }
            )
    return pandas.DataFrame(rows)


def _ratios(parts: list[tuple], clusters: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Sum of values over sum of weights of each model [M], in each resample [B, M], and the number of rows."""
    total, count = (
        np.stack([_per_cluster(part[column], part[2], clusters) for part in parts], axis=1) for column in (0, 1)
    )
    return ratio(total.sum(0), count.sum(0)), ratio(drawn @ total, drawn @ count), [len(part[0]) for part in parts]


def _per_cluster(values, cluster, clusters: np.ndarray) -> np.ndarray:
    at = np.searchsorted(clusters, np.asarray(cluster))
    return np.bincount(at, np.asarray(values, np.float64), minlength=len(clusters))


def _pooled(proteins, residues: dict, models: list[str], clusters: np.ndarray, drawn: np.ndarray) -> dict[str, tuple]:
    values = {name: ([], []) for name in POOLED}
    count = []
    for model in models:
        score, true, cluster = residues[model]
        ranking = Ranking.of(score, true)
        at = np.searchsorted(clusters, cluster)
        several = [ranking.weighted(row[at]) for row in drawn[:POOLED_RESAMPLES]]
        for name, method in (("auroc_pooled", Ranking.auroc), ("auprc_pooled", Ranking.average_precision)):
            values[name][0].append(method(ranking))
            values[name][1].append([method(one) for one in several])
        own = proteins[proteins["model"] == model]
        counts = np.stack([_per_cluster(own[name], own["cluster"], clusters) for name in COUNTS], axis=1)
        values["mcc_pooled"][0].append(float(mcc(counts.sum(0))))
        values["mcc_pooled"][1].append(mcc(drawn @ counts))
        count.append(len(own))
    return {name: (np.array(value), np.array(resampled).T, count) for name, (value, resampled) in values.items()}


def _interval(resampled: np.ndarray) -> tuple[float, float]:
    known = resampled[np.isfinite(resampled)]
    return tuple(float(one) for one in np.percentile(known, (2.5, 97.5))) if len(known) > 1 else (np.nan, np.nan)


def _spread(resampled: np.ndarray) -> float:
    known = resampled[np.isfinite(resampled)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
