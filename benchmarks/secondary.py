"""Agreement of secondary structure and 3Di with other programs, and their speed.

    python benchmarks/secondary.py [--out docs/results/secondary.md] [--repeat 11]

Structures are those of ../shared/data/structures (or $PLAIT_SHARED); the published assignments of single entries stand
in tests/structure/data/dssp.json with their origin, that of the AlphaFold model in its own file.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import gemmi
import numpy as np
from biotite.structure import AtomArray
from biotite.structure.alphabet import to_3di

from plait.structure import Protein, read_structure
from plait.structure.secondary import letters, secondary_structure
from plait.structure.surface import burial, relative_accessibility
from plait.tokenizers.dssp import DSSPTokenizer
from plait.tokenizers.threedi import ThreeDiTokenizer

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PLAIT_SHARED", ROOT.parent / "shared"))
MODEL = "AF-Q5VSL9-F1-model_v4.cif.gz"
KINDS = {"BEND": "S", "TURN_TY1_P": "T", "HELX_RH_AL_P": "H", "HELX_RH_3T_P": "G", "HELX_RH_PI_P": "I", "STRN": "E"}
FILES = ("1ubi.pdb", "3enl.pdb.gz", MODEL, "1igy.cif.gz", "3wip.cif.gz", "4jsv.pdb.gz")
GAPPED = ("1acj.pdb.gz", "4eiy.cif.gz", "3wip.cif.gz", "4jsv.pdb.gz")


def published(structures: Path):
    """File, program, protein and states, for each published assignment."""
    for name, entry in json.loads((ROOT / "tests/structure/data/dssp.json").read_text()).items():
        if name != "note":
            yield name, entry["program"], read_structure(structures / name), entry["states"]
    protein = read_structure(structures / MODEL)
    states = np.full(len(protein), "C")
    columns = ["conf_type_id", "beg_label_seq_id", "end_label_seq_id"]
    for kind, first, last in gemmi.cif.read(str(structures / MODEL))[0].find("_struct_conf.", columns):
        states[int(first) - 1 : int(last)] = KINDS.get(kind, "C")
    yield MODEL, "DSSP 4 as in the file (E and B under one name)", protein, "".join(states)


def agreement(structures: Path) -> list[str]:
    lines = [
        "| structure | program | residues | same, pi first | same, order of 1983 |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name, program, protein, states in published(structures):
        same = []
        for prefer_pi in (True, False):
            ours = letters(secondary_structure(protein, prefer_pi=prefer_pi))
            ours = ours.replace("B", "E") if "B" not in states else ours
            same.append(sum(a == b for a, b in zip(ours, states)))
        lines.append(f"| {name} | {program} | {len(protein)} | {same[0]} | {same[1]} |")
    return lines


def of_biotite(protein: Protein) -> str:
    atoms = AtomArray(len(protein.position))
    atoms.coord = protein.position - protein.position.mean(0)
    atoms.atom_name = np.array(protein.atom_name)
    atoms.chain_id = np.array(protein.chain)[protein.residue_of]
    atoms.res_id = np.array(protein.residue_of) + 1
    atoms.res_name = np.array(protein.residue_name)[protein.residue_of]
    return "".join("".join(sequence.symbols) for sequence in to_3di(atoms)[0]).upper()


def threedi(structures: Path) -> list[str]:
    tokenizer = ThreeDiTokenizer()
    lines = [
        "| structure | residues | unknown to us | of the others, same as biotite |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in sorted({*FILES, *GAPPED}):
        protein = read_structure(structures / name)
        ours = tokenizer.letters(tokenizer(protein))
        pairs = [(a, b) for a, b in zip(ours, of_biotite(protein)) if a != "X"]
        lines.append(
            f"| {name} | {len(protein)} | {ours.count('X')} | {sum(a == b for a, b in pairs)} of {len(pairs)} |"
        )
    return lines


def speed(structures: Path, repeat: int) -> list[str]:
    jobs = {
        "secondary structure": secondary_structure,
        "DSSP tokens": DSSPTokenizer(),
        "3Di tokens": ThreeDiTokenizer(),
        "3Di by biotite": of_biotite,
        "accessibility, 100 points": relative_accessibility,
        "burial": burial,
    }
    lines = ["| structure | residues | " + " | ".join(f"{job}, ms" for job in jobs) + " |"]
    lines.append("| --- |" + " ---: |" * (len(jobs) + 1))
    for name in FILES:
        protein = read_structure(structures / name)
        milliseconds = []
        for job in jobs.values():
            seconds = []
            for _ in range(repeat + 1):  # the first one imports and warms up
                fresh = protein.replace()  # cached views would flatter
                start = time.process_time()
                job(fresh)
                seconds.append(time.process_time() - start)
            milliseconds.append(1000 * statistics.median(seconds[1:]))
        lines.append(f"| {name} | {len(protein)} | " + " | ".join(f"{value:.1f}" for value in milliseconds) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeat", type=int, default=11)
    options = parser.parse_args()
    structures = SHARED / "data" / "structures"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout
    text = "\n".join(
        [
            "# Secondary structure, 3Di and exposure",
            "",
            f"Made by `python benchmarks/secondary.py --out docs/results/secondary.md` at commit {commit.strip()} "
            f"({platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}).",
            "",
            "## Eight states against published assignments",
            "",
            *agreement(structures),
            "",
            "The model has one pi helix of six residues, which the order of 1983 gives to H and T.",
            "",
            "## 3Di against biotite's port of Foldseek",
            "",
            *threedi(structures),
            "",
            "Ends of chains and of gaps are unknown to us; biotite (as Foldseek) reads over gaps, so that residues "
            "whose neighbour in space stands beside a gap can differ.",
            "",
            f"## Processor time (median of {options.repeat}, milliseconds)",
            "",
            *speed(structures, options.repeat),
            "",
        ]
    )
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
