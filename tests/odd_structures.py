"""Structure files that are odd in one way each, made from a real one."""

from pathlib import Path

import numpy as np

from plait.structure import read_structure
from plait.structure.protein import Protein
from plait.structure.writing import write_structure

BACKBONE = ("N", "CA", "C", "O")


def write_odd(folder: Path, structures: Path) -> dict[str, tuple[Path, int]]:
    """The files by what is odd, with the number of residues that a reader should find; 0 where it should refuse."""
    lines = [one for one in (structures / "1ubi.pdb").read_text().splitlines() if one.startswith("ATOM")]
    second = ["TER", *(_with(one, chain="B") for one in lines)]
    hydrogens = []
    for one in lines:
        hydrogens.append(one)
        if _name(one) in ("N", "CA"):
            atom = ("H", "H") if _name(one) == "N" else ("DA", "D")
            hydrogens.append(_with(one, name=atom[0], element=atom[1], move=(0.6, 0.6, 0.6)))
    here = _place(lines[80])
    odd = {
        "backbone only": ([one for one in lines if _name(one) in BACKBONE], 76),
        "C-alpha only": ([one for one in lines if _name(one) == "CA"], 76),
        "one residue": ([one for one in lines if _number(one) == 20], 1),
        "one residue, C-alpha only": ([one for one in lines if _number(one) == 20 and _name(one) == "CA"], 1),
        "two residues": ([one for one in lines if _number(one) < 3], 2),
        "atoms in one place": ([_with(o, place=here) if 80 <= n < 95 else o for n, o in enumerate(lines)], 76),
        "a chain twice in one place": (lines + second, 152),
        "all atoms in one place": ([_with(one, place=here) for one in lines], 0),
        "unknown atom names": (
            [o if _name(o) in BACKBONE else _with(o, name=f"QX{n % 10}") for n, o in enumerate(lines)],
            76,
        ),
        "hydrogens and deuterium": (hydrogens, 76),
        "residues without C-alpha": ([o for o in lines if _name(o) != "CA" or not 10 <= _number(o) < 20], 76),
        "chains far apart": (lines + ["TER", *(_with(o, chain="B", move=(5000, 4000, 5000)) for o in lines)], 152),
        "ligands only": (["HETATM" + one[6:17] + "GOL" + one[20:] for one in lines[:6]], 0),
    }
    folder.mkdir(exist_ok=True)
    written = {}
    for name, (text, residues) in odd.items():
        file = folder / f"{name.replace(' ', '-').replace(',', '')}.pdb"
        file.write_text("\n".join([*text, "END", ""]))
        written[name] = file, residues
    return written


def write_large(file: Path, structures: Path, residues: int = 5000) -> Path:
    """So many residues in seven chains: a complex of 2,750 and a copy beside it."""
    protein = read_structure(structures / "4jsv.pdb.gz")
    letters = np.array(list("ABCDEFGH"))
    number = np.unique(protein.chain, return_inverse=True)[1]
    width = np.ptp(protein.position, axis=0) + 3
    copies = []
    for copy in range(2):
        chain = letters[number + 4 * copy]
        place = protein.position + copy * np.eye(3)[1] * width[1]
        copies.append(protein.replace(chain=chain, label_chain=chain).with_positions(place))
    write_structure(_beside(*copies).select(np.arange(2 * len(protein)) < residues), file)
    return file


def _beside(first: Protein, second: Protein) -> Protein:
    names = ("residue_type", "residue_name", "chain", "label_chain", "author_number", "insertion_code")
    names += ("sequence_index", "b_factor", "position", "atom_name", "element")
    joined = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    owner = np.concatenate([first.residue_of, second.residue_of + len(first)]).astype(np.int32)
    return first.replace(residue_of=owner, **joined)


def _name(line: str) -> str:
    return line[12:16].strip()


def _number(line: str) -> int:
    return int(line[22:26])


def _place(line: str) -> np.ndarray:
    return np.array([float(line[at : at + 8]) for at in (30, 38, 46)])


def _with(line: str, *, name=None, element=None, chain=None, place=None, move=None) -> str:
    """The record with something else in it."""
    if name is not None:
        line = f"{line[:12]} {name:<3}{line[16:]}"
    if element is not None:
        line = f"{line[:76]}{element:>2}{line[78:]}"
    if chain is not None:
        line = f"{line[:21]}{chain}{line[22:]}"
    if place is not None or move is not None:
        place = (_place(line) if place is None else place) + (np.zeros(3) if move is None else np.array(move))
        line = f"{line[:30]}{place[0]:8.3f}{place[1]:8.3f}{place[2]:8.3f}{line[54:]}"
    return line
