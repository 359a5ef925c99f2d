"""How near ranked pockets come to ligands: DCA, DCC, and success among the first n, as P2Rank reports them.

Krivák R, Hoksza D (2018). P2Rank: machine learning based tool for rapid and accurate prediction of ligand binding sites
from protein structure. Journal of Cheminformatics 10:39; specs/vabsnet.md, section 8.
"""

import numpy as np

CUTOFF = 4.0
"""A pocket meets a ligand if its centre is at most so far away (angstrom)."""


def centre_distances(centres: np.ndarray, ligand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of pocket centres [P, 3] from a ligand's heavy atoms [N, 3], in angstrom: float64 [P] each.

    DCA, from the nearest atom, and DCC, from the mean of the atoms.
    """
    centres = np.asarray(centres, np.float64).reshape(-1, 3)
    ligand = np.asarray(ligand, np.float64)
    to_atoms = np.linalg.norm(centres[:, None] - ligand[None], axis=-1)
    return to_atoms.min(1), np.linalg.norm(centres - ligand.mean(0), axis=-1)


def rank_of_first(distances: np.ndarray, cutoff: float = CUTOFF) -> int:
    """Rank, from 1, of the first pocket whose distance is at most `cutoff`; 0 if none is."""
    met = np.flatnonzero(np.asarray(distances) <= cutoff)
    return int(met[0]) + 1 if len(met) else 0


def found_within(rank: np.ndarray, allowed: np.ndarray | int) -> np.ndarray:
    """Whether ligands of these ranks are met by one of the first `allowed` pockets: bool, 0 < rank <= allowed."""
    rank = np.asarray(rank)
    return (rank > 0) & (rank <= allowed)
