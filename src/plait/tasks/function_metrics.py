"""How well labels of whole proteins are predicted: Fmax and AUPR of several labels a protein, and accuracy.

The definitions are those of DeepFRI and GearNet (specs/siamdiff.md, section 8), which TorchDrug's `f1_max` and
`area_under_prc` compute. They let the order of equal scores decide the value; here equal scores are passed together.
`compat=True` gives theirs, for scores in the order of the rows; docs/how-to/classify-proteins.md says what it is worth.
"""

import numpy as np


def fmax(score: np.ndarray, true: np.ndarray, *, compat: bool = False) -> float:
    """Largest F over all thresholds, from 0 to 1; protein-centred.

    At a threshold, precision is the mean of hits / predictions over the proteins with a prediction, and recall the mean
    of hits / labels over all proteins (those without a label have 0); F = 2 precision recall / (precision + recall).

    Parameters
    ----------
    score : float [B, C]
        Higher is more likely; anything that grows with the probability gives the same.
    true : bool or 0 and 1 [B, C]
    compat : bool
        Every score is a threshold of its own, also among equal ones.
    """
    score, true = np.asarray(score, np.float64), np.asarray(true) > 0
    proteins, classes = true.shape
    order = np.argsort(-score, axis=1, kind="stable")
    ranked = np.take_along_axis(true, order, 1)
    precision = np.cumsum(ranked, 1) / np.arange(1, classes + 1)
    recall = np.cumsum(ranked, 1) / np.maximum(true.sum(1, keepdims=True), 1)
    # Each prediction, in the order of its score among all, adds its step to the sums over proteins.
    together = np.argsort(-np.take_along_axis(score, order, 1).ravel(), kind="stable")
    predicting = np.cumsum((np.arange(proteins * classes) % classes == 0)[together])
    mean_precision = np.cumsum(_steps(precision).ravel()[together]) / predicting
    mean_recall = np.cumsum(_steps(recall).ravel()[together]) / proteins
    if not compat:
        last = _last_of_equal(np.take_along_axis(score, order, 1).ravel()[together])
        mean_precision, mean_recall = mean_precision[last], mean_recall[last]
    both = mean_precision + mean_recall
    return float(np.max(2 * mean_precision * mean_recall / np.where(both > 0, both, 1), initial=0.0))


def micro_average_precision(score: np.ndarray, true: np.ndarray, *, compat: bool = False) -> float:
    """AUPR: area under precision and recall over all pairs of protein and label as one list, in steps; NaN without a
    label. See `fmax`."""
    score, true = np.asarray(score, np.float64).ravel(), np.asarray(true).ravel() > 0
    if not true.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(true[order])
    precision = hits / np.arange(1, len(hits) + 1)
    if compat:
        return float(precision[true[order]].mean())
    last = _last_of_equal(score[order])
    return float((np.diff(hits[last], prepend=0) * precision[last]).sum() / hits[-1])


def accuracy(score: np.ndarray, true: np.ndarray) -> float:
    """Share of proteins whose highest score is at the true class; NaN without proteins.

    Parameters
    ----------
    score : float [B, C]
        Where several classes share the highest score, each counts for its part.
    true : int [B]
    """
    score, true = np.asarray(score), np.asarray(true)
    if not len(true):
        return float("nan")
    highest = score == score.max(1, keepdims=True)
    return float((highest[np.arange(len(true)), true] / highest.sum(1)).mean())


def _steps(values: np.ndarray) -> np.ndarray:
    return np.diff(values, axis=1, prepend=0.0)


def _last_of_equal(descending: np.ndarray) -> np.ndarray:
    """The last place of each group of equal values."""
    return np.flatnonzero(np.diff(descending, append=-np.inf) != 0)
