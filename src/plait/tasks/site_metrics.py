"""How well residues (or atoms) of binding sites are told from others: IoU, AUROC, AUPRC, MCC, F1.

All take a score or a prediction and the truth of the same length; what is NaN in the truth is not asked. Answers are
NaN where a metric is undefined. IoU is that of specs/vabsnet.md, section 8: per protein, those without any predicted or
true residue left out.
"""

import dataclasses

import numpy as np


def iou(predicted: np.ndarray, true: np.ndarray) -> float:
    """Number that are both predicted and true over the number that are either, from 0 to 1; NaN if none is."""
    predicted, true = _asked(predicted, true)
    predicted, true = predicted.astype(bool), true > 0
    return _over((predicted & true).sum(), (predicted | true).sum())


def auroc(score: np.ndarray, true: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Area under the receiver operating characteristic, ties counted half; NaN unless there are both kinds.

    It is the probability that one which is true has a higher score than one which is not. `weight`: how often each one
    counts.
    """
    return Ranking.of(*_asked(score, true, weight)).auroc()


def average_precision(score: np.ndarray, true: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Area under precision and recall, in steps: the mean, over those that are true, of the precision at their score.

    Equal scores are passed together, so the order of the rows does not matter. NaN if none is true. Its value for a
    score that says nothing is the share of those that are true.
    """
    return Ranking.of(*_asked(score, true, weight)).average_precision()


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Scores in descending order with their truth, sorted once for many weightings (a bootstrap's resamples).

    Attributes
    ----------
    order : int64 [N]
        Rows in descending order of their score.
    true : bool [N], in that order
    last : int64 [G]
        In that order, the last row of each group of equal scores.
    weight : float64 [N], in that order
    """

    order: np.ndarray
    true: np.ndarray
    last: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray, true: np.ndarray, weight: np.ndarray | None = None) -> "Ranking":
        """From scores, truth and weights (1 if not given) [N], none of them NaN."""
        score = np.asarray(score, np.float64)
        order = np.argsort(-score, kind="stable")
        last = np.flatnonzero(np.diff(score[order], append=np.nan) != 0)
        weight = np.ones(len(score)) if weight is None else np.asarray(weight, np.float64)
        return cls(order, np.asarray(true)[order] > 0, last, weight[order])

    def weighted(self, weight: np.ndarray) -> "Ranking":
        """The same with other weights [N], in the order of the rows."""
        return dataclasses.replace(self, weight=np.asarray(weight, np.float64)[self.order])

    def auroc(self) -> float:
        found, wrong = self._passed()
        if not len(found) or not found[-1] or not wrong[-1]:
            return float("nan")
        steps = np.diff(wrong, prepend=0) * (found + np.concatenate([[0], found[:-1]])) / 2
        return float(steps.sum() / (found[-1] * wrong[-1]))

    def average_precision(self) -> float:
        found, wrong = self._passed()
        if not len(found) or not found[-1]:
            return float("nan")
        passed = np.maximum(found + wrong, 1e-300)  # leading rows may weigh nothing; they add nothing then
        return float((np.diff(found, prepend=0) * found / passed).sum() / found[-1])

    def _passed(self) -> tuple[np.ndarray, np.ndarray]:
        """Weight of those that are true, and of those that are not, down to each group of equal scores: [G] each."""
        found = np.cumsum(self.weight * self.true)[self.last]
        return found, np.cumsum(self.weight)[self.last] - found


def confusion(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Numbers of true positives, false positives, false negatives and true negatives: int64 [4]."""
    predicted, true = _asked(predicted, true)
    predicted, true = predicted.astype(bool), true > 0
    return np.array(
        [(p & t).sum() for t, p in ((true, predicted), (~true, predicted), (true, ~predicted), (~true, ~predicted))]
    )


def mcc(counts: np.ndarray) -> np.ndarray:
    """Matthews' correlation of prediction and truth from counts of `confusion` [..., 4], from -1 to 1; NaN where
    prediction or truth is always the same."""
    tp, fp, fn, tn = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, below, out=np.full(below.shape, np.nan), where=below > 0)


def f1(counts: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall from counts of `confusion` [..., 4]; NaN where nothing is predicted or
    true."""
    tp, fp, fn, _ = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    below = 2 * tp + fp + fn
    return np.divide(2 * tp, below, out=np.full(below.shape, np.nan), where=below > 0)


def best_threshold(scores: list[np.ndarray], true: list[np.ndarray], steps: int = 50) -> tuple[float, float]:
    """The threshold with the highest mean IoU over proteins, and that IoU: for validation splits.

    `steps` thresholds at even steps of rank among the upper 30 % of all scores are tried; a residue is predicted
    where its score is at least the threshold.
    """
    everything = np.concatenate(scores)
    tried = np.unique(np.quantile(everything[np.isfinite(everything)], np.linspace(0.7, 0.999, steps)))
    means = []
    for threshold in tried:
        values = np.array([iou(score >= threshold, one) for score, one in zip(scores, true, strict=True)])
        means.append(values[np.isfinite(values)].mean() if np.isfinite(values).any() else -np.inf)
    best = int(np.argmax(means))
    return float(tried[best]), float(means[best])


def _asked(values, true, *weights):
    """The rows whose truth is known. A score that is NaN stands below all others."""
    true = np.asarray(true, np.float64)
    known = np.isfinite(true)
    values = np.asarray(values)[known]
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), -np.inf, values)
    return values, true[known], *(None if weight is None else np.asarray(weight)[known] for weight in weights)


def _over(part, whole) -> float:
    return float(part / whole) if whole else float("nan")
