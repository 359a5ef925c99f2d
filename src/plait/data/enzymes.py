"""Enzymes among the corpus chains: which EC numbers each chain has."""

import dataclasses
import json
from typing import Literal

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example, checked_folder, short_digest
from plait.data.chains import corpus_chains
from plait.errors import InputError
from plait.references import DEEPFRI
from plait.registry import register

HEAD = "protein_ec"
"""The output that answers for EC numbers: one logit a term."""

TERMS = 538
"""Number of terms of the official list: EC numbers of four levels, and of three ("2.7.7.-")."""

BINS = (30, 40, 50, 70, 95)
"""Bins of the official test chains: largest identity (percent) to the official training chains, exclusive."""

SPLITS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class EnzymesConfig:
    folder: str = option(
        "../shared/data/labels", "folder with ec_official.parquet, ec_by_sequence.parquet, ec_terms.json"
    )
    corpus: str = option("../shared/data/corpus", "folder of the corpus, whose chains are labelled")
    split: Literal["train", "valid", "test"] = option("train", "DeepFRI's official split")
    source: Literal["both", "official", "by-sequence"] = option(
        "both",
        "in training and validation, chains of the official lists, chains whose EC numbers were transferred from "
        "similar sequences, or both; the test is always official",
    )
    identity: float = option(0.6, "least identity of a transferred number, from 0.6; in validation at least 0.9")
    apart: bool = option(
        True,
        "leave out training chains that share a cluster with validation or test, and validation chains that share one "
        "with test; false: of the official lists only chains that are themselves in a later split",
    )


@register("dataset")
class Enzymes(DataSet):
    """Chains of enzymes with a backbone only. Protein labels: "ec" float32 [538], 1 for each term of `terms` that the
    chain has and 0 for the others, and in the test "below" float32 [5], 1 for each of `BINS` that the chain is in.

    A transferred number counts as its four-level term and as its three-level one, where the list has them, as in the
    official labels; chains with neither are left out, and so are chains with a transferred number that are in an
    official split. An example is one official chain, by its official name, or one corpus chain, by its own.
    """

    name = "enzymes"
    summary = "corpus chains with EC numbers: DeepFRI's lists where a structure is at hand, and numbers by similarity"
    reference = DEEPFRI.at("EC numbers of chains of the PDB; transferred numbers as the folder's README says")
    Config = EnzymesConfig

    def __init__(self, config: EnzymesConfig):
        self.config = config
        self.folder = checked_folder(config.folder, "ec_official.parquet", "ec_by_sequence.parquet", "ec_terms.json")
        self.terms = read_terms(self.folder / "ec_terms.json")
        self.classes = {HEAD: self.terms}
        self._chains = corpus_chains(config.corpus)
        self._official = self._read_official()
        self._listed = {row[1] for rows in self._official.values() for row in rows}
        rows = self._rows(config.split)
        if not rows:
            raise InputError("no enzyme is left", file=self.folder, got=str(config))
        self.ids = tuple(row[0] for row in rows)
        self._places = [self._chains[row[1]] for row in rows]
        column = {term: index for index, term in enumerate(self.terms)}
        self._labels = np.zeros((len(rows), len(self.terms)), np.float32)
        for number, row in enumerate(rows):
            self._labels[number, [column[term] for term in row[2]]] = 1
        self._below = np.array([row[3] for row in rows], np.float32)
        self.lengths = np.array([corpus.lengths[index] for corpus, index in self._places])
        self.clusters = np.array([corpus.clusters[index] for corpus, index in self._places])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        return short_digest("\n".join(self.ids).encode(), self._labels.tobytes(), self._below.tobytes())

    def __getitem__(self, index: int) -> Example:
        corpus, place = self._places[index]
        labels = {"ec": self._labels[index]}
        if self.config.split == "test":
            labels["below"] = self._below[index]
        example = corpus[place]
        return Example(self.ids[index], example.protein, {}, example.cluster, labels)

    def _rows(self, split: str) -> list[tuple[str, str, list[str], list[float]]]:
        """Name, corpus chain, terms and bins of each example of a split."""
        held = [row for later in SPLITS[SPLITS.index(split) + 1 :] for row in self._rows(later)]
        chains = {row[1] for row in held}
        clusters = {self._cluster(chain) for chain in chains}
        if split == "test":
            return self._official[split]
        rows = []
        if self.config.source != "by-sequence":
            rows = [row for row in self._official[split] if row[1] not in chains]
            if self.config.apart:
                rows = [row for row in rows if self._cluster(row[1]) not in clusters]
        if self.config.source != "official":
            rows += [row for row in self._read_transferred(split) if self._cluster(row[1]) not in clusters]
        return rows

    def _read_official(self) -> dict[str, list]:
        """The rows of each official split whose chain is in the corpus."""
        import pyarrow.parquet as pq

        flags = [f"lt{bin}" for bin in BINS]
        table = pq.read_table(
            self.folder / "ec_official.parquet",
            columns=["chain", "split", "ec", "corpus_id", *flags],
            filters=[("corpus_id", "!=", "")],
        ).to_pydict()
        rows = {split: [] for split in SPLITS}
        for name, split, terms, chain, *below in zip(*table.values(), strict=True):
            if chain in self._chains:
                rows[split].append((name, chain, terms.split(","), [flag or 0 for flag in below]))
        return rows

    def _read_transferred(self, split: str) -> list:
        """The rows of chains with transferred numbers in these clusters of the corpus that are in no official list."""
        import pyarrow.parquet as pq

        least = max(self.config.identity, 0.9 if split == "valid" else 0.0)
        table = pq.read_table(
            self.folder / "ec_by_sequence.parquet",
            columns=["corpus_id", "ec"],
            filters=[("split", "=", split), ("identity", ">=", least)],
        ).to_pydict()
        rows = []
        for chain, numbers in zip(*table.values(), strict=True):
            terms = sorted(terms_of(numbers.split(","), self.terms))
            if terms and chain in self._chains and chain not in self._listed:
                rows.append((chain, chain, terms, [0.0] * len(BINS)))
        return rows

    def _cluster(self, chain: str) -> int:
        corpus, index = self._chains[chain]
        return int(corpus.clusters[index])


def terms_of(numbers: list[str], terms: tuple[str, ...]) -> set[str]:
    """The terms that EC numbers stand for: themselves, and their first three levels ("2.7.7.6" is "2.7.7.-" too)."""
    named = {*numbers, *(".".join([*number.split(".")[:3], "-"]) for number in numbers)}
    return named & set(terms)


def read_terms(file) -> tuple[str, ...]:
    """The names of the classes, in the order of the labels.

    Raises
    ------
    InputError
        If it is no list of names.
    """
    try:
        terms = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("unreadable list of EC numbers", file=file, got=str(error)) from None
    if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms) or len(set(terms)) != len(terms):
        raise InputError("no list of EC numbers", file=file, expected="a JSON list of different names")
    return tuple(terms)
