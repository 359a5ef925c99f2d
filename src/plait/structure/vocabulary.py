"""Residues, atoms and elements: the one vocabulary of plait.

Published vocabularies are permutations of it and stand in their family's `published.py`.
"""

import numpy as np

RESIDUES = "ACDEFGHIKLMNPQRSTVWYX"
"""One-letter codes; the index in this string is the residue type. X is an unknown residue."""

UNKNOWN = 20
"""Residue type of an unknown residue."""

THREE_LETTER = (
    "ALA", "CYS", "ASP", "GLU", "PHE", "GLY", "HIS", "ILE", "LYS", "LEU", "MET",
    "ASN", "PRO", "GLN", "ARG", "SER", "THR", "VAL", "TRP", "TYR", "UNK",
)  # fmt: skip
"""Residue names in the order of `RESIDUES`."""

BACKBONE = ("N", "CA", "C", "O")

SIDE_CHAINS = {
    "ALA": ("CB",),
    "CYS": ("CB", "SG"),
    "ASP": ("CB", "CG", "OD1", "OD2"),
    "GLU": ("CB", "CG", "CD", "OE1", "OE2"),
    "PHE": ("CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ"),
    "GLY": (),
    "HIS": ("CB", "CG", "ND1", "CD2", "CE1", "NE2"),
    "ILE": ("CB", "CG1", "CG2", "CD1"),
    "LYS": ("CB", "CG", "CD", "CE", "NZ"),
    "LEU": ("CB", "CG", "CD1", "CD2"),
    "MET": ("CB", "CG", "SD", "CE"),
    "ASN": ("CB", "CG", "OD1", "ND2"),
    "PRO": ("CB", "CG", "CD"),
    "GLN": ("CB", "CG", "CD", "OE1", "NE2"),
    "ARG": ("CB", "CG", "CD", "NE", "CZ", "NH1", "NH2"),
    "SER": ("CB", "OG"),
    "THR": ("CB", "OG1", "CG2"),
    "VAL": ("CB", "CG1", "CG2"),
    "TRP": ("CB", "CG", "CD1", "CD2", "NE1", "CE2", "CE3", "CZ2", "CZ3", "CH2"),
    "TYR": ("CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ", "OH"),
    "UNK": (),
}
"""Heavy side-chain atoms of each residue, in the order of the PDB."""

ATOMS = {name: BACKBONE + side for name, side in SIDE_CHAINS.items()}
"""Heavy atoms of each residue inside a chain (the terminal OXT left out)."""

MODIFIED = {
    # Selenocysteine and pyrrolysine have letters of their own, which are not in `RESIDUES`.
    "SEC": "CYS", "PYL": "LYS",
    # Protonation states and bonds as molecular-dynamics programs name them.
    "HID": "HIS", "HIE": "HIS", "HIP": "HIS", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS",
    "CYX": "CYS", "CYM": "CYS", "CYS2": "CYS", "ASH": "ASP", "ASPP": "ASP", "GLH": "GLU", "GLUP": "GLU",
    "LYN": "LYS", "LSN": "LYS", "ARN": "ARG", "TYM": "TYR",
}  # fmt: skip
"""Parents of modified residues beyond those that gemmi's residue table knows."""

CHROMOPHORES = frozenset(
    [
        "CRO",
        "CR2",
        "CRQ",
        "CRF",
        "CRX",
        "CRU",
        "CRG",
        "CRK",
        "CRW",
        "CSY",
        "CH6",
        "CH7",
        "NRQ",
        "NYG",
        "NYC",
        "GYS",
        "PIA",
        "RC7",
        "CFY",
        "OFM",
        "IEY",
        "MDO",
        "CWR",
        "X9Q",
    ]
)
"""Residues grown together from several: no single parent, so unknown."""

NUCLEOTIDES = frozenset(("A", "C", "G", "U", "I", "T", "DA", "DC", "DG", "DT", "DU", "DI", "N", "DN"))
"""The standard nucleotides."""

SUGARS = frozenset(("FUL", "FRU", "BDP", "GCU", "RAM", "XYS", "GTR", "IDR"))
"""Names of sugars beyond those that gemmi's residue table knows."""

WATERS = frozenset(("HOH", "DOD", "WAT", "H2O", "TIP", "TIP2", "TIP3", "TIP4", "TIP5", "SPC", "SOL", "OH2"))
"""Names of water, deposited and from simulations."""

CHI_ATOMS = {
    "ARG": ("N CA CB CG", "CA CB CG CD", "CB CG CD NE", "CG CD NE CZ"),
    "ASN": ("N CA CB CG", "CA CB CG OD1"),
    "ASP": ("N CA CB CG", "CA CB CG OD1"),
    "CYS": ("N CA CB SG",),
    "GLN": ("N CA CB CG", "CA CB CG CD", "CB CG CD OE1"),
    "GLU": ("N CA CB CG", "CA CB CG CD", "CB CG CD OE1"),
    "HIS": ("N CA CB CG", "CA CB CG ND1"),
    "ILE": ("N CA CB CG1", "CA CB CG1 CD1"),
    "LEU": ("N CA CB CG", "CA CB CG CD1"),
    "LYS": ("N CA CB CG", "CA CB CG CD", "CB CG CD CE", "CG CD CE NZ"),
    "MET": ("N CA CB CG", "CA CB CG SD", "CB CG SD CE"),
    "PHE": ("N CA CB CG", "CA CB CG CD1"),
    "PRO": ("N CA CB CG", "CA CB CG CD"),
    "SER": ("N CA CB OG",),
    "THR": ("N CA CB OG1",),
    "TRP": ("N CA CB CG", "CA CB CG CD1"),
    "TYR": ("N CA CB CG", "CA CB CG CD1"),
    "VAL": ("N CA CB CG1",),
}
"""Atoms of the side-chain dihedrals chi 1 to chi 4 (IUPAC-IUB 1970)."""

ELEMENTS = (
    "X", "H", "C", "N", "O", "S", "P", "SE", "F", "CL", "BR", "I", "B", "SI",
    "NA", "MG", "K", "CA", "MN", "FE", "CO", "NI", "CU", "ZN", "MO", "CD", "HG",
)  # fmt: skip
"""Element symbols in upper case; index 0 stands for any other."""

_LETTER_INDEX = {letter: index for index, letter in enumerate(RESIDUES)}
_LETTER_TABLE = np.full(256, UNKNOWN, dtype=np.int8)
for _letter, _index in _LETTER_INDEX.items():
    _LETTER_TABLE[ord(_letter)] = _index
_LETTERS = np.frombuffer(RESIDUES.encode(), dtype="S1").astype("U1")


def encode(sequence: str) -> np.ndarray:
    """Residue types int8 [L] of a sequence of one-letter codes; any other letter is unknown."""
    return _LETTER_TABLE[np.frombuffer(sequence.encode("latin-1", "replace"), dtype=np.uint8)]


def decode(residue_type: np.ndarray) -> str:
    """The one-letter sequence of residue types [L]."""
    return "".join(_LETTERS[np.asarray(residue_type)])
