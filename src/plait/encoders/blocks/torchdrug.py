"""The vocabularies of TorchDrug, in which GearNet, SiamDiff and their GVP were published (specs/siamdiff.md, 1)."""

import numpy as np

from plait.structure.vocabulary import ELEMENTS, RESIDUES, UNKNOWN

PUBLISHED_RESIDUES = "GASPVTCILNDQKEMHFRYW"
"""Residue types in the published order; an unknown one has the column after them, and as the end of an edge the type
of glycine."""

ATOMIC_NUMBERS = {
    "H": 1, "B": 5, "C": 6, "N": 7, "O": 8, "F": 9, "NA": 11, "MG": 12, "SI": 14, "P": 15, "S": 16, "CL": 17, "K": 19,
    "CA": 20, "MN": 25, "FE": 26, "CO": 27, "NI": 28, "CU": 29, "ZN": 30, "SE": 34, "BR": 35, "MO": 42, "CD": 48,
    "I": 53, "HG": 80,
}  # fmt: skip

ATOM3D_ELEMENTS = ["H", "B", "C", "N", "O", "F", "MG", "SI", "P", "S", "CL", "CU", "ZN", "SE", "BR", "SN", "I"]
"""Elements in the order of the published Atom3D reader."""

ELEMENT_WIDTH = 18
"""Columns of a published node feature that tell elements apart."""

RESIDUE_COLUMN = np.array([PUBLISHED_RESIDUES.find(letter) for letter in RESIDUES], np.int64)
RESIDUE_COLUMN[UNKNOWN] = len(PUBLISHED_RESIDUES)
"""int64 [21]: column of each of our residue types in a published node feature."""

EDGE_TYPE = np.where(np.arange(len(RESIDUES)) == UNKNOWN, 0, RESIDUE_COLUMN)
"""int64 [21]: published type at an end of an edge of each of our residue types."""


def _columns(column: dict[str, int]) -> np.ndarray:
    """The column of each of our elements, -1 for those whose atoms the published programs leave out: they drop what
    has column 0, or none."""
    found = np.array([column.get(name, 0) for name in ELEMENTS], np.int64)
    found[(found == 0) | (found >= ELEMENT_WIDTH)] = -1
    return found


ELEMENT_COLUMNS = {
    "atomic number": _columns(ATOMIC_NUMBERS),
    "atom3d": _columns({name: number for number, name in enumerate(ATOM3D_ELEMENTS)}),
}
"""int64 [27] each: column of our elements in a published node feature. Pre-training and the EC and GO tasks read atomic
numbers, the Atom3D tasks the other order; weights trained with the one do not fit the other (specs/siamdiff.md, 9.1).
"""
