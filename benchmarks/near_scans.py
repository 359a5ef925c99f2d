"""Which complexes are similar to targets of mutational scans: part of the list that recipes/partners.yaml leaves out.

    python benchmarks/near_scans.py --data ../shared/data

The complexes carry no such flag. Targets are those of ../shared/data/dms and, for the targets that are not there, the
chains of the corpus that are flagged near_dms. Each chain of an entry is aligned (Smith-Waterman, BLOSUM62, 11 + 1)
with the eight targets that share most of its words of four residues; near is at least 25 % identity over at least half
of the shorter of the two with a score of 66 or more (E about 1 against that many residues), as in the corpus. Of a
cluster of complexes with one such entry all are left out, so that a relative that shares no words goes too.

Writes recipes/complexes_near_scans.txt.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas
from biotite.sequence import ProteinSequence
from biotite.sequence.align import SubstitutionMatrix, align_optimal

WORD, CANDIDATES = 4, 8
IDENTITY, COVERAGE, SCORE = 0.25, 0.5, 66
MATRIX = SubstitutionMatrix.std_protein_matrix()
STANDARD = str.maketrans("UO", "CK")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("recipes/complexes_near_scans.txt"))
    options = parser.parse_args()
    corpus = pandas.read_parquet(options.data / "corpus" / "index.parquet")
    scans = pandas.read_csv(options.data / "dms" / "reference.csv")["target_seq"]
    targets = [(text, words(text)) for text in (*scans, *corpus["sequence"][corpus["near_dms"] == 1])]
    entries = pandas.read_parquet(options.data / "complexes" / "index.parquet")
    entries = entries[entries["split"].isin(["train", "valid"])]
    known: dict[str, bool] = {}
    near = np.array([any(is_near(chain, targets, known) for chain in row.split("/")) for row in entries["sequence"]])
    left_out = entries["cluster"].isin(entries["cluster"][near])
    options.out.write_text("".join(f"{name}\n" for name in sorted(entries["id"][left_out])))
    kept = entries[~left_out]
    for split in ("train", "valid"):
        here, there = entries["split"] == split, kept["split"] == split
        print(f"{split}: {near[here].sum()} of {here.sum()} entries near a target; {there.sum()} entries and "
              f"{kept['cluster'][there].nunique()} clusters are left")  # fmt: skip


def is_near(chain: str, targets: list[tuple[str, set[str]]], known: dict[str, bool]) -> bool:
    if chain not in known:
        own = words(chain)
        shared = [len(own & other) / (1 + min(len(own), len(other))) for _, other in targets]
        best = [number for number in np.argsort(shared)[::-1][:CANDIDATES] if shared[number] > 0]
        known[chain] = any(similar(chain, targets[number][0]) for number in best)
    return known[chain]


def similar(first: str, second: str) -> bool:
    pair = [ProteinSequence(text.translate(STANDARD)) for text in (first, second)]
    alignment = align_optimal(*pair, MATRIX, gap_penalty=(-11, -1), local=True, max_number=1)[0]
    trace = alignment.trace[(alignment.trace >= 0).all(axis=1)]
    if alignment.score < SCORE or len(trace) < COVERAGE * min(len(first), len(second)):
        return False
    return np.mean([first[i] == second[j] for i, j in trace]) >= IDENTITY


def words(text: str) -> set[str]:
    return {text[i : i + WORD] for i in range(len(text) - WORD + 1) if "X" not in text[i : i + WORD]}


if __name__ == "__main__":
    main()
