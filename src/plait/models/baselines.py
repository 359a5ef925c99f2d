"""Scores without a network, to compare with: what a table or the structure alone says of a substitution."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from plait.data.base import short_digest
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES, UNKNOWN


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A function from structure to scores that answers as a `Model` does.

    Attributes
    ----------
    name : str
    summary : str
        What the score is, in a clause.
    function : callable
        Score of each substitution from a chain, float [R, 20] or [R, 1].
    """

    name: str
    summary: str
    function: Callable[[Protein], np.ndarray]

    @property
    def digest(self) -> str:
        return short_digest(f"{self.name}: {self.summary}".encode())

    def score_matrix(self, protein: Protein) -> np.ndarray:
        """Score of every single substitution: float32 [R, 20], 0 for the wild type, NaN where it is unknown."""
        scores = np.array(np.broadcast_to(self.function(protein), (len(protein), UNKNOWN)), np.float32)
        known = protein.residue_type != UNKNOWN
        scores[~known] = np.nan
        scores[known, protein.residue_type[known]] = 0.0
        return scores


@functools.cache
def _blosum62() -> np.ndarray:
    """BLOSUM62 [21, 20], rows and columns in the order of `vocabulary.RESIDUES`; NaN for unknown."""
    from biotite.sequence.align import SubstitutionMatrix

    matrix = SubstitutionMatrix.std_protein_matrix()
    rows = [[matrix.get_score(before, after) for after in RESIDUES[:UNKNOWN]] for before in RESIDUES[:UNKNOWN]]
    return np.array([*rows, [np.nan] * UNKNOWN], np.float32)


def _blosum62_scores(protein: Protein) -> np.ndarray:
    return _blosum62()[protein.residue_type]


def _accessibility_scores(protein: Protein) -> np.ndarray:
    from plait.structure.surface import relative_accessibility

    return relative_accessibility(protein)[:, None] - 1


def _burial_scores(protein: Protein) -> np.ndarray:
    from plait.structure.surface import burial

    return -burial(protein, radius=10.0)[:, None]


def _random_scores(protein: Protein) -> np.ndarray:
    """Drawn from the sequence, so that a chain gets the same scores whenever and beside whatever it is scored."""
    seed = int(short_digest(protein.sequence.encode()), 16)
    return np.random.default_rng(seed).standard_normal((len(protein), UNKNOWN))


BASELINES = {
    one.name: one
    for one in (
        Baseline("blosum62", "entry of BLOSUM62 for wild type and mutated residue", _blosum62_scores),
        Baseline(
            "accessibility", "relative accessible area of the residue in the structure, minus 1", _accessibility_scores
        ),
        Baseline("burial", "minus the number of C-betas within 10 angstrom", _burial_scores),
        Baseline("random", "numbers drawn from a normal distribution", _random_scores),
    )
}
