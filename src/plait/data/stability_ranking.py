"""How well predictions rank the measured substitutions of a protein by stability."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from plait.data.base import Example
from plait.data.stability import KINDS
from plait.structure.vocabulary import UNKNOWN


@dataclasses.dataclass(frozen=True)
class StabilityRanking:
    """Spearman's rank correlation of predictions with -ddg, for one kind of assay.

    Attributes
    ----------
    spearman : dict of str to float
        By protein, from -1 to 1; 0 where the prediction is constant.
    rows : dict of str to int
        Number of measured substitutions of each of these proteins.
    """

    spearman: dict[str, float]
    rows: dict[str, int]

    @property
    def mean(self) -> float:
        """The mean over proteins; NaN if there is none."""
        return float(np.mean(list(self.spearman.values()))) if self.spearman else math.nan

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN for fewer than two proteins."""
        count = len(self.spearman)
        return float(np.std(list(self.spearman.values()), ddof=1) / math.sqrt(count)) if count > 1 else math.nan


def rank_stability(
    predictions: Iterable[tuple[Example, np.ndarray]], *, fewest: int = 20
) -> dict[str, StabilityRanking]:
    """The rankings by kind of assay ("megascale", "curated").

    Quality and structures are chosen where the examples come from: `StabilityConfig` leaves out quality C and
    proteins without structure unless told otherwise.

    Parameters
    ----------
    predictions : pairs of an Example of `Stability` and a score float [R, 20]
        Higher is more stable. Where the score is NaN the substitution is left out.
    fewest : int
        Proteins with fewer measured and scored substitutions of the kind are left out.
    """
    from scipy.stats import rankdata

    found = {kind: StabilityRanking({}, {}) for kind in KINDS}
    for example, score in predictions:
        for kind in KINDS:
            measured = -example.labels[f"ddg_{kind}"]
            used = np.isfinite(measured) & np.isfinite(score)
            if used.sum() < max(2, fewest):
                continue
            ranks = np.stack([rankdata(score[used]), rankdata(measured[used])])
            ranks -= ranks.mean(1, keepdims=True)
            size = math.sqrt(float(np.prod((ranks**2).sum(1))))
            found[kind].spearman[example.id] = float((ranks[0] * ranks[1]).sum()) / size if size > 0 else 0.0
            found[kind].rows[example.id] = int(used.sum())
    return found


def less_wild_type(output: np.ndarray, residue_type: np.ndarray) -> np.ndarray:
    """Scores of substitutions from a head's outputs: each output of a residue less that of its own type.

    Parameters
    ----------
    output : float [R, 20]
    residue_type : int8 [R]

    Returns
    -------
    float [R, 20]; NaN at residues of unknown type.
    """
    known = residue_type != UNKNOWN
    own = output[np.arange(len(output)), np.where(known, residue_type, 0)]
    return np.where(known[:, None], output - own[:, None], np.nan)
