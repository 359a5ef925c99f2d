"""Profiles of single sites: an alignment's counts regularised by BLOSUM62, or mixed with a model's prediction."""

import functools

import numpy as np

from plait.structure.vocabulary import RESIDUES, UNKNOWN

PSEUDOCOUNTS = 5.0
"""Weight of the BLOSUM62 expectation in `profile`, in sequences."""

_PER_CENT = (
    8.25, 1.38, 5.46, 6.72, 3.86, 7.07, 2.27, 5.91, 5.80, 9.65,
    2.41, 4.06, 4.74, 3.93, 5.53, 6.65, 5.36, 6.86, 1.10, 2.92,
)  # fmt: skip
"""Of each residue in Swiss-Prot (release statistics), in the order of `RESIDUES`."""


def profile(count: np.ndarray) -> np.ndarray:
    """The site-independent profile of weighted counts [R, 20], regularised by BLOSUM62: float64 [R, 20].

    (N f + 5 g) / (N + 5), with f the frequencies, N their number and g(a) = sum_b f(b) P(a | b); where N is zero, the
    composition of Swiss-Prot. Its differences of logarithms are the log-odds of the alignment alone.
    """
    count = np.asarray(count, np.float64)
    depth = count.sum(axis=1, keepdims=True)
    frequency = np.where(depth > 0, count / np.where(depth > 0, depth, 1.0), background())
    return (count + PSEUDOCOUNTS * frequency @ conditional()) / (depth + PSEUDOCOUNTS)


def mixed(log_p: np.ndarray, count: np.ndarray, *, prior: float, share: float) -> np.ndarray:
    """A model's log-probabilities [R, 20] mixed with the counts of homologs [R, 20]: float32 [R, 20].

    The prediction q counts as `prior` sequences beside the N at a residue, so that the alignment says
    p = (N f + B q) / (N + B), the mean of a Dirichlet posterior; then the logarithms of p and of q are averaged,
    `share` of p. Without homologs at a residue this is the prediction itself.
    """
    log_p, count = np.asarray(log_p, np.float64), np.asarray(count, np.float64)
    prediction = np.exp(log_p)
    posterior = (count + prior * prediction) / (count.sum(axis=1, keepdims=True) + prior)
    pooled = share * np.log(posterior) + (1 - share) * log_p
    return (pooled - np.log(np.exp(pooled).sum(axis=1, keepdims=True))).astype(np.float32)


@functools.cache
def background() -> np.ndarray:
    """Frequency of each residue in proteins: float64 [20]."""
    values = np.array(_PER_CENT)
    return values / values.sum()


@functools.cache
def conditional() -> np.ndarray:
    """P(a | b) of BLOSUM62, float64 [20 (b), 20 (a)]: the background of a times exp(lambda s(a, b)), where lambda is
    such that the joint frequencies sum to 1 (Karlin and Altschul 1990, doi:10.1073/pnas.87.6.2264)."""
    from biotite.sequence.align import SubstitutionMatrix

    matrix, letters = SubstitutionMatrix.std_protein_matrix(), RESIDUES[:UNKNOWN]
    scores = np.array([[matrix.get_score(b, a) for a in letters] for b in letters], np.float64)
    frequency = background()
    low, high = 0.1, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if frequency @ np.exp(middle * scores) @ frequency > 1:
            high = middle
        else:
            low = middle
    joint = frequency * np.exp(low * scores)
    return joint / joint.sum(axis=1, keepdims=True)
