"""How well a prediction ranks measurements: Spearman correlation, NDCG and top recall, as ProteinGym defines them.

Notin P et al. (2023). ProteinGym: large-scale benchmarks for protein fitness prediction and design. NeurIPS 36,
datasets and benchmarks track. In all three the higher is the better; pairs of which one is NaN are left out, and the
answer is NaN where it is undefined.
"""

import numpy as np

TOP = 0.1
"""The share of the mutants that NDCG and top recall look at."""


def spearman(predicted, measured) -> float:
    """Spearman's rank correlation, ties by mean rank, from -1 to 1; NaN if one side is constant."""
    from scipy.stats import rankdata

    predicted, measured = _pairs(predicted, measured)
    if not _varies(predicted) or not _varies(measured):
        return float("nan")
    return float(np.corrcoef(rankdata(predicted), rankdata(measured))[0, 1])


def ndcg(predicted, measured) -> float:
    """Normalised discounted cumulative gain of the best tenth, from 0 to 1.

    The gain of a mutant is its measurement, scaled to [0, 1] over all of them; k is a tenth of their number, rounded
    down. The sum of gain / log2(rank + 1) over predicted ranks up to k is divided by the largest that any ranking
    gives. Where predictions are tied, the mean over all orders of the tied mutants is taken (McSherry F, Najork M
    (2008). Computing information retrieval performance measures efficiently in the presence of tied scores. ECIR,
    414-421), so that the order of the rows does not matter. NaN for fewer than ten mutants or equal measurements.
    """
    predicted, measured = _pairs(predicted, measured)
    best = int(len(measured) * TOP)
    if best < 1 or not _varies(measured):
        return float("nan")
    gain = (measured - measured.min()) / (measured.max() - measured.min())
    discount = 1 / np.log2(np.arange(best) + 2)
    reached = np.concatenate([[0.0], np.cumsum(discount), np.full(len(gain) - best, discount.sum())])
    _, group = np.unique(-predicted, return_inverse=True)
    size = np.bincount(group)
    end = np.cumsum(size)
    gained = (np.bincount(group, gain) / size * (reached[end] - reached[end - size])).sum()
    return float(gained / (np.sort(gain)[::-1][:best] * discount).sum())


def top_recall(predicted, measured) -> float:
    """Of the mutants measured at or above their 90th percentile, the share predicted at or above theirs.

    Percentiles are interpolated linearly. A prediction of many ties may put more than a tenth of the mutants on top.
    """
    predicted, measured = _pairs(predicted, measured)
    if len(measured) == 0:
        return float("nan")
    top = measured >= np.quantile(measured, 1 - TOP)
    found = predicted >= np.quantile(predicted, 1 - TOP)
    return float((top & found).sum() / top.sum())


RANKING_METRICS = {"spearman": spearman, "ndcg": ndcg, "top_recall": top_recall}
"""Name of each, as in the names of ProteinGym's tables."""


def _pairs(predicted, measured) -> tuple[np.ndarray, np.ndarray]:
    predicted, measured = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    known = np.isfinite(predicted) & np.isfinite(measured)
    return predicted[known], measured[known]


def _varies(values: np.ndarray) -> bool:
    return len(values) > 1 and bool((values != values[0]).any())
