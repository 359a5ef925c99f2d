"""The door: what a `Protein` must be before anything is computed from it."""

import numpy as np

from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN

MOST_RESIDUES = 20_000
MOST_ATOMS = 500_000
FARTHEST = 10_000.0
"""Largest coordinate in angstrom; the columns of a PDB file end at 9,999.999."""

PLAUSIBLE_SPACING = (2.5, 5.0)
"""Range in angstrom of the median distance between neighbouring C-alphas: 3.8 (trans) or 2.9 (cis)."""


def validate(protein: Protein, *, file=None) -> None:
    """Raise InputError if this cannot be a protein: empty, too large, or with coordinates that cannot be."""
    file = file if file is not None else protein.source or None
    if not len(protein):
        raise InputError("no protein", file=file, got="0 residues", expected="at least one")
    for count, most, noun in ((len(protein), MOST_RESIDUES, "residues"), (len(protein.position), MOST_ATOMS, "atoms")):
        if count > most:
            raise InputError(
                "structure too large",
                file=file,
                got=f"{count} {noun}",
                expected=f"at most {most}",
                do="Name one chain.",
            )
    _check_coordinates(protein, file)
    _check_backbone(protein, file)
    _check_spacing(protein, file)
    if (protein.residue_type == UNKNOWN).all():
        raise InputError(
            "all residues are of unknown type",
            file=file,
            place="all residues",
            got=f"{len(protein)} times ({', '.join(np.unique(protein.residue_name)[:5])})",
            expected="amino acids with known names",
        )


def _check_coordinates(protein: Protein, file) -> None:
    if not np.isfinite(protein.position).all():
        row = int(np.flatnonzero(~np.isfinite(protein.position).all(axis=1))[0])
        raise InputError("coordinate is not finite", file=file, place=_place(protein, row), got=_xyz(protein, row))
    if len(protein.position) > 1 and (protein.position == protein.position[0]).all():
        raise InputError(
            "all atoms are in one place",
            file=file,
            place="all residues",
            got=_xyz(protein, 0),
            expected="coordinates in angstrom",
        )
    far = np.flatnonzero((np.abs(protein.position) >= FARTHEST).any(axis=1))
    if len(far):
        raise InputError(
            "coordinate out of range",
            file=file,
            place=_place(protein, int(far[0])),
            got=_xyz(protein, int(far[0])),
            expected=f"within {FARTHEST:.0f} angstrom",
        )


def _check_backbone(protein: Protein, file) -> None:
    has_ca = np.isfinite(protein.c_alpha).all(axis=1)
    if has_ca.any():
        return
    others = np.isfinite(protein.backbone[:, [0, 2, 3]]).any()
    raise InputError(
        "no C-alpha in any residue" if others else "no backbone: side chains only",
        file=file,
        place="all residues",
        got=f"{len(protein)} residues without CA",
        expected="N, CA and C of each residue",
    )


def _check_spacing(protein: Protein, file) -> None:
    ca = protein.c_alpha
    next_number = np.diff(protein.author_number)
    along = (protein.chain[1:] == protein.chain[:-1]) & (next_number >= 0) & (next_number <= 1)
    distance = np.linalg.norm(np.diff(ca, axis=0), axis=1)[along]
    distance = distance[np.isfinite(distance)]
    if not len(distance):
        return
    median = float(np.median(distance))
    if len(distance) >= 3 and not PLAUSIBLE_SPACING[0] <= median <= PLAUSIBLE_SPACING[1]:
        raise InputError(
            "implausible distance between neighbouring C-alphas",
            file=file,
            place="all residues",
            got=f"median {median:.2f} angstrom",
            expected=f"about 3.8 ({PLAUSIBLE_SPACING[0]} to {PLAUSIBLE_SPACING[1]})",
            do="Are the coordinates in angstrom?",
        )


def _place(protein: Protein, row: int) -> str:
    residue = int(protein.residue_of[row])
    chain = protein.chain[residue] or "(blank)"
    return f"chain {chain}, residue {protein.residue_label(residue)}, atom {protein.atom_name[row]}"


def _xyz(protein: Protein, row: int) -> str:
    return "({:.3f}, {:.3f}, {:.3f})".format(*protein.position[row].tolist())
