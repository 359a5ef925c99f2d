"""Binding sites as labels: their names, and which atoms of a complex bind."""

import numpy as np

from plait.structure.protein import Protein

RESIDUES = "binding_site"
"""Label of an example, float32 [R]: 1, 0, or NaN where nothing is known. Also the head that answers it."""

ATOMS = "atom_binding_site"
"""The head of the same question about atoms."""


def atom_sites(protein: Protein, residues: np.ndarray, cutoff: float = 4.0) -> np.ndarray:
    """Whether each atom binds: float32 [A], 1, 0, or NaN where nothing is known of its residue.

    An atom binds if it is closer than the cut-off to an atom of a ligand. Where no ligand stands beside the protein
    (its residues' labels are from elsewhere), it has the label of its residue.

    Parameters
    ----------
    protein : Protein
        With its ligands; waters, ions and all else in `protein.hetero` do not count.
    residues : float [R]
        The label `RESIDUES`.
    cutoff : float, angstrom
        That of the residues' labels.
    """
    label = np.asarray(residues, np.float32)[protein.residue_of]
    ligands = protein.hetero.position[protein.hetero.kind == "ligand"]
    if not len(ligands):
        return label
    from scipy.spatial import cKDTree

    known = np.isfinite(protein.position).all(-1)
    near = np.zeros(len(label), np.float32)
    near[known] = cKDTree(ligands).query(protein.position[known])[0] < cutoff
    return np.where(np.isnan(label), label, near)
