"""Bonds along the chain, frames, dihedrals, ideal atoms, rotations and superposition. numpy only."""

import numpy as np

from plait.structure.protein import Protein

BOND_LIMIT = 2.0
"""Longest distance in angstrom from C to the next N that still counts as bonded."""

C_ALPHA_LIMIT = 4.3
"""Longest distance in angstrom from C-alpha to C-alpha that counts as bonded where C or N is missing."""


def bonded(backbone: np.ndarray, same_chain: np.ndarray) -> np.ndarray:
    """Whether each residue is bonded to the one before it.

    Parameters
    ----------
    backbone : float [L, 3 or more, 3]
        N, CA, C and what else; NaN where absent.
    same_chain : bool [L]
        Whether the residue before is of the same chain; the first value does not matter.

    Returns
    -------
    bool [L]
        False for the first residue, and where neither C-N nor CA-CA can be measured.
    """
    result = np.zeros(len(backbone), bool)
    if len(backbone) < 2:
        return result
    result[1:] = (_spacing(backbone) <= 1.0) & np.asarray(same_chain)[1:]
    return result


def _spacing(backbone: np.ndarray) -> np.ndarray:
    """C-N, or else CA-CA, over the limit of each: float [L - 1], above 1 for a break, NaN where neither is there."""
    c_to_n = np.linalg.norm(backbone[1:, 0] - backbone[:-1, 2], axis=-1)
    ca_to_ca = np.linalg.norm(backbone[1:, 1] - backbone[:-1, 1], axis=-1)
    return np.where(np.isnan(c_to_n), ca_to_ca / C_ALPHA_LIMIT, c_to_n / BOND_LIMIT)


def chain_breaks(protein: Protein) -> np.ndarray:
    """bool [L]: True where a residue is not bonded to the one before it in its chain (so True for a chain's first)."""
    chain = protein.chain
    same = np.concatenate([[False], chain[1:] == chain[:-1]]) if len(chain) else np.zeros(0, bool)
    joined = bonded(protein.backbone, same)
    # Where no distance along the backbone can be had (a chromophore has other atom names), any covalent bond counts.
    spacing = np.full(len(chain), np.nan)
    spacing[1:] = _spacing(protein.backbone)
    for index in np.flatnonzero(same & np.isnan(spacing)):
        here = protein.position[slice(*np.searchsorted(protein.residue_of, [index, index + 1]))]
        before = protein.position[slice(*np.searchsorted(protein.residue_of, [index - 1, index]))]
        nearest = np.linalg.norm(here[:, None] - before[None], axis=-1).min(initial=np.inf)
        joined[index] = nearest <= BOND_LIMIT
    return ~joined
