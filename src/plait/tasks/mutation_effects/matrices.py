"""Scores as arrays by residue and by residue type: of all single substitutions, and of positions masked together."""

import numpy as np

from plait.data.homologs import Homologs
from plait.data.mutations import PlacedMutant
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN


def score_chains(model, protein: Protein, homologs: dict[str, Homologs]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and their spread, both float32 [R, 20], of every chain by itself, with the homologs that it has; NaN where
    a wild type is unknown or a chain has no backbone, all of the spread also where the model is a single network."""
    scores = np.full((len(protein), UNKNOWN), np.nan, np.float32)
    spread = scores.copy()
    if not protein.has_backbone.any():
        raise InputError(
            "no residue has a backbone",
            file=protein.source or None,
            got="no N, CA and C together in any residue",
            expected="backbone atoms",
        )
    for chain in protein.chains:
        mask = protein.chain == chain
        if protein.has_backbone[mask].any():
            scores[mask], spread[mask] = _scored(model, protein.select(mask), **_beside(homologs, chain))
    known = protein.residue_type < UNKNOWN
    scores[~known] = spread[~known] = np.nan
    rows = np.nonzero(known)[0]
    scored = rows[np.isfinite(scores[rows]).any(axis=1)]
    scores[scored, protein.residue_type[scored]] = 0.0
    if not len(scored):
        raise InputError("no residue can be scored", got="unknown residues only", expected="amino acids")
    return scores, spread


def _scored(model, protein: Protein, **asked) -> tuple[np.ndarray, np.ndarray]:
    """The scores of one chain and their spread, NaN for a single network."""
    scores, spread = model.scores(protein, **asked)
    return scores, np.full_like(scores, np.nan) if spread is None else spread


def _beside(homologs: dict[str, Homologs], chain: str) -> dict[str, Homologs]:
    """The argument that hands a chain's homologs to the model; none for a chain without."""
    return {"homologs": homologs[chain]} if chain in homologs else {}


def additive_scores(
    placed: list[PlacedMutant], scores: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and their spread, both float64 [mutants]: the sum over the substitutions of each, and the root of the sum
    of their squared spreads, as if the errors at different residues had nothing to do with each other. NaN where that
    of a substitution is."""
    found = [_together(scores, spread, one.residues, one.types) for one in placed]
    return np.array([value for value, _ in found]), np.array([uncertain for _, uncertain in found])


def _together(scores: np.ndarray, spread: np.ndarray, residues, types) -> tuple[float, float]:
    at = list(residues), list(types)
    return float(scores[at].sum(dtype=np.float64)), float(np.sqrt(np.square(spread[at], dtype=np.float64).sum()))


def joint_scores(
    model,
    protein: Protein,
    placed: list[PlacedMutant],
    additive: tuple[np.ndarray, np.ndarray],
    homologs: dict[str, Homologs],
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and their spread of mutants with their positions masked together; one pass serves all mutants of the same
    positions, and both are put together as in `additive_scores`, from what that pass gives."""
    values, spreads = (each.copy() for each in additive)
    groups: dict[tuple, list[int]] = {}
    for number, one in enumerate(placed):
        if len(one.residues) > 1 and np.isfinite(values[number]):
            groups.setdefault((one.chain, tuple(sorted(one.residues))), []).append(number)
    chains: dict[str, tuple] = {}
    for (chain, residues), numbers in groups.items():
        if chain not in chains:
            mask = protein.chain == chain
            chains[chain] = protein.select(mask), np.cumsum(mask) - 1
        part, local = chains[chain]
        positions = [int(local[r]) for r in residues]
        scores, spread = _scored(model, part, masked=positions, **_beside(homologs, chain))
        for number in numbers:
            one = placed[number]
            values[number], spreads[number] = _together(scores, spread, local[list(one.residues)], one.types)
    return values, spreads


def substituted(scores: np.ndarray, protein: Protein) -> np.ndarray:
    """bool [R, 20]: scored, and not the wild type."""
    mask = np.isfinite(scores)
    known = np.nonzero(protein.residue_type < UNKNOWN)[0]
    mask[known, protein.residue_type[known]] = False
    return mask


def ascending_singles(scores: np.ndarray, protein: Protein, chain: str) -> np.ndarray:
    """Scores of all single substitutions of a chain, ascending."""
    mask = substituted(scores, protein) & (protein.chain == chain)[:, None]
    return np.sort(scores[mask])


def midrank(ascending: np.ndarray, values) -> np.ndarray:
    """Percentage of `ascending` below each value, ties counted half; NaN for NaN."""
    values = np.asarray(values, ascending.dtype)
    if not len(ascending):
        return np.full(values.shape, np.nan)
    below = np.searchsorted(ascending, values, "left")
    upto = np.searchsorted(ascending, values, "right")
    return np.where(np.isnan(values), np.nan, 50.0 * (below + upto) / len(ascending))


def percentile_matrix(scores: np.ndarray, protein: Protein) -> np.ndarray:
    """float32 [R, 20]: percentile of each substitution among those of its chain; NaN where there is none."""
    percentiles = np.full(scores.shape, np.nan, np.float32)
    asked = substituted(scores, protein)
    for chain in protein.chains:
        mask = asked & (protein.chain == chain)[:, None]
        percentiles[mask] = midrank(np.sort(scores[mask]), scores[mask])
    return percentiles


def site_sensitivity(scores: np.ndarray) -> np.ndarray:
    """float32 [R]: minus the mean over the 19 substitutions (the wild type's own 0 adds nothing to the sum)."""
    return -scores.sum(axis=1) / (UNKNOWN - 1)
