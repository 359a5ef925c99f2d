"""Atoms of a protein as a table of residues by 37 names, so that what is asked of an atom survives others' removal."""

import numpy as np

from plait.encoders.vabsnet.published import ATOM_SLOTS, UNKNOWN_ATOM, atom_slots
from plait.objectives.base import View
from plait.structure.protein import Protein

SLOTS = len(ATOM_SLOTS)


def atom_codes(protein: Protein) -> tuple[np.ndarray, np.ndarray]:
    """The atoms that have a place in the table, int64 [N], and their places there: residue times 37 plus column."""
    slot = atom_slots(protein.atom_name)
    atoms = np.flatnonzero((slot != UNKNOWN_ATOM) & np.isfinite(protein.position).all(-1))
    return atoms, protein.residue_of[atoms].astype(np.int64) * SLOTS + slot[atoms]


def position_table(protein: Protein) -> np.ndarray:
    """Coordinates [R, 37, 3] in angstrom, NaN where absent, in the precision of the protein."""
    table = np.full((len(protein) * SLOTS, 3), np.nan, protein.position.dtype)
    atoms, codes = atom_codes(protein)
    table[codes] = protein.position[atoms]
    return table.reshape(-1, SLOTS, 3)


def value_table(protein: Protein, values: np.ndarray) -> np.ndarray:
    """A number for each atom [A] as float32 [R, 37], 0 where absent."""
    table = np.zeros(len(protein) * SLOTS, np.float32)
    atoms, codes = atom_codes(protein)
    table[codes] = values[atoms]
    return table.reshape(-1, SLOTS)


def atom_noise(protein: Protein, noise: np.ndarray) -> np.ndarray:
    """The coordinates [A, 3] with what the table `noise` [R, 37, 3] says added; atoms without a place stay."""
    atoms, codes = atom_codes(protein)
    moved = np.array(protein.position)
    moved[atoms] += noise.reshape(-1, 3)[codes].astype(moved.dtype)
    return moved


class ViewAtoms:
    """The atoms of a view that have a place in the table of residues by names, and their coordinates.

    Attributes
    ----------
    atoms : int64 [N]
        Among all atoms of the view's proteins.
    codes : int64 [N]
        Their places in the tables of all residues.
    protein : int64 [N]
    position : [N, 3], angstrom
    """

    def __init__(self, view: View):
        found, first_atom, first_residue = [], 0, 0
        for number, protein in enumerate(view.proteins):
            atoms, codes = atom_codes(protein)
            found.append((atoms + first_atom, codes + first_residue * SLOTS, np.full(len(atoms), number)))
            first_atom, first_residue = first_atom + len(protein.position), first_residue + len(protein)
        self.atoms, self.codes, self.protein = (np.concatenate(part) for part in zip(*found, strict=True))
        self.position = np.concatenate([protein.position for protein in view.proteins])[self.atoms]
        self._places = first_residue * SLOTS

    def rows(self, codes: np.ndarray) -> np.ndarray:
        """Which of these atoms has each code; -1 for none."""
        table = np.full(self._places, -1)
        table[self.codes] = np.arange(len(self.codes))
        return table[codes]
