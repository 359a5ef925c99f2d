"""Remarks on a `Protein`: modified residues, gaps, missing atoms, and what stands beside the chains."""

import numpy as np

from plait.structure.geometry import chain_breaks
from plait.structure.protein import Hetero, Protein, Remark
from plait.structure.vocabulary import RESIDUES, SIDE_CHAINS, THREE_LETTER, UNKNOWN

_PLACES = 12


def listed(places: list[str], most: int = _PLACES) -> str:
    """The first places, and how many more there are."""
    shown = ", ".join(places[:most])
    return shown + (f" and {len(places) - most} more" if len(places) > most else "")


def counted(number: int, noun: str) -> str:
    """ "1 residue", "2 residues"."""
    return f"{number} {noun}" + ("s" if number != 1 else "")


def on_residues(protein: Protein, *, modified: np.ndarray) -> list[Remark]:
    """Remarks on modified residues (where the mask [L] is true), gaps and missing atoms."""
    return [*_on_modified(protein, modified), *_on_gaps(protein), *_on_missing_atoms(protein)]


def on_hetero(hetero: Hetero) -> list[Remark]:
    """One remark for each kind of molecule beside the chains."""
    remarks = []
    for kind in ("nucleic", "sugar", "ligand", "ion", "water"):
        rows = np.flatnonzero(hetero.kind == kind)
        if not len(rows):
            continue
        _, first = np.unique(hetero.group[rows], return_index=True)
        names = hetero.residue_name[rows[first]]
        text = f"{counted(len(names), _NOUN.get(kind, kind))} kept apart from the chains"
        if kind in ("sugar", "ligand", "ion"):
            unique, count = np.unique(names, return_counts=True)
            text += ": " + listed(
                [f"{n} x {name}" if n > 1 else name for name, n in zip(unique.tolist(), count.tolist())]
            )
        remarks.append(Remark(kind, "", text))
    return remarks


_NOUN = {"nucleic": "nucleotide", "sugar": "sugar residue"}


def _places(protein: Protein, index: np.ndarray) -> str:
    """ "chain A, residues 1, 2; chain B, residue 3", shortened."""
    parts = []
    for chain in dict.fromkeys(protein.chain[index].tolist()):
        mine = index[protein.chain[index] == chain]
        noun = "residues" if len(mine) > 1 else "residue"
        parts.append(f"chain {chain or '(blank)'}, {noun} {listed([protein.residue_label(i) for i in mine])}")
    return listed(parts, 4).replace(", chain", "; chain")


def _on_modified(protein: Protein, modified: np.ndarray) -> list[Remark]:
    remarks = []
    index = np.flatnonzero(modified)
    for name in dict.fromkeys(protein.residue_name[index].tolist()):
        mine = index[protein.residue_name[index] == name]
        kind = int(protein.residue_type[mine[0]])
        if kind == UNKNOWN:
            text = f"{name} has no parent among the twenty amino acids: unknown (X)"
        else:
            text = f"{name} read as its parent {THREE_LETTER[kind]} ({RESIDUES[kind]})"
        remarks.append(Remark("modified residue", _places(protein, mine), text))
    unknown = np.flatnonzero(~modified & (protein.residue_type == UNKNOWN))
    if len(unknown):
        text = f"{counted(len(unknown), 'residue')} of unknown type (X)"
        remarks.append(Remark("unknown residue", _places(protein, unknown), text))
    return remarks


def _on_gaps(protein: Protein) -> list[Remark]:
    if len(protein) < 2:
        place = _places(protein, np.arange(len(protein)))
        return [Remark("single residue", place, "the only residue, so without neighbours")]
    same = np.concatenate([[False], protein.chain[1:] == protein.chain[:-1]])
    broken = same & chain_breaks(protein)
    remarks = []
    for index in np.flatnonzero(broken):
        distance = np.linalg.norm(protein.c_alpha[index] - protein.c_alpha[index - 1])
        skipped = int(protein.author_number[index]) - int(protein.author_number[index - 1]) - 1
        text = (
            f"chain interrupted (CA to CA {distance:.1f} angstrom" if np.isfinite(distance) else "chain interrupted ("
        )
        text += f"; {skipped} numbers skipped)" if skipped > 0 else ")"
        remarks.append(Remark("gap", _between(protein, index), text.replace("(; ", "(").replace(" ()", "")))
    step = np.diff(protein.author_number, prepend=protein.author_number[:1] - 1)
    jumps = np.flatnonzero(same & ~broken & (step != 1) & ~((step == 0) & (protein.insertion_code != "")))
    with_codes = (step == 0) & np.concatenate([[False], protein.insertion_code[:-1] != protein.insertion_code[1:]])
    jumps = jumps[~with_codes[jumps]]
    for chain in dict.fromkeys(protein.chain[jumps].tolist()):
        mine = jumps[protein.chain[jumps] == chain]
        places = [f"{protein.residue_label(i - 1)} to {protein.residue_label(i)}" for i in mine]
        text = f"{counted(len(mine), 'jump')} in the numbering where the chain goes on: {listed(places)}"
        remarks.append(Remark("numbering", f"chain {chain or '(blank)'}", text))
    return remarks


def _between(protein: Protein, index: int) -> str:
    chain = protein.chain[index] or "(blank)"
    return f"chain {chain}, between {protein.residue_label(index - 1)} and {protein.residue_label(index)}"


def _on_missing_atoms(protein: Protein) -> list[Remark]:
    remarks = []
    atoms = np.bincount(protein.residue_of, minlength=len(protein))
    alone = (atoms == 1) & np.isfinite(protein.c_alpha).all(axis=1)
    if alone.any():
        index = np.flatnonzero(alone)
        text = f"{counted(len(index), 'residue')} without any atom but C-alpha"
        remarks.append(Remark("C-alpha only", _places(protein, index), text))
    incomplete = np.flatnonzero(~protein.has_backbone & ~alone)
    if len(incomplete):
        text = f"{counted(len(incomplete), 'residue')} without N, CA or C"
        remarks.append(Remark("incomplete backbone", _places(protein, incomplete), text))
    lacking = np.flatnonzero(lacks_side_chain_atoms(protein) & ~alone)
    if len(lacking):
        text = f"{counted(len(lacking), 'residue')} without some side-chain atoms"
        remarks.append(Remark("incomplete side chain", _places(protein, lacking), text))
    return remarks


def lacks_side_chain_atoms(protein: Protein) -> np.ndarray:
    """bool [L]: a residue of the twenty (by its own name) lacks a heavy atom of its side chain."""
    names, code = np.unique(protein.atom_name, return_inverse=True)
    by_name = {name: index for index, name in enumerate(names.tolist())}
    belongs = np.zeros((len(THREE_LETTER), len(names)), bool)
    expected = np.zeros(len(THREE_LETTER), np.int64)
    for index, residue in enumerate(THREE_LETTER):
        expected[index] = len(SIDE_CHAINS[residue])
        belongs[index, [by_name[atom] for atom in SIDE_CHAINS[residue] if atom in by_name]] = True
    own = protein.residue_name == np.array(THREE_LETTER)[protein.residue_type]
    present = belongs[protein.residue_type[protein.residue_of], code]
    found = np.bincount(protein.residue_of, present, minlength=len(protein))
    return own & (found < expected[protein.residue_type])
