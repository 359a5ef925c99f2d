"""Folds of domains: segments of corpus chains by homology to SCOPe, and the official lists of SCOP 1.75."""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example, checked_folder, short_digest
from plait.data.chains import corpus_chains
from plait.errors import InputError
from plait.references import DEEPSF
from plait.registry import register
from plait.structure.protein import Protein

HEAD = "protein_fold"
"""The output that answers for folds: one logit a class."""

CLASSES = {"homology": 1139, "official": 1195}
"""Number of folds of each source: those of its training split."""

LEVELS = ("family", "superfamily", "fold")
"""What the training split has of a test domain, at most: others of its family, of its superfamily, of its fold."""

_TABLES = {"homology": "fold_by_homology.parquet", "official": "fold_official.parquet"}
_SUFFIXES = (".pdb", ".ent", ".cif", ".bcif")


@dataclasses.dataclass(frozen=True)
class FoldsConfig:
    folder: str = option("../shared/data/labels", "folder with fold_by_homology.parquet and fold_official.parquet")
    corpus: str = option("../shared/data/corpus", "folder of the corpus, whose chains are cut to domains")
    split: Literal["train", "valid", "test", "test_family", "test_superfamily", "test_fold"] = option(
        "train", "which domains; test is all three levels of it"
    )
    source: Literal["homology", "official"] = option(
        "homology",
        "homology: segments of corpus chains that align to SCOPe domains; official: the 16,292 domains of SCOP 1.75 "
        "that GearNet is judged by",
    )
    structures: str = option(
        "",
        "official: folder of structure files by name of the domain, such as d1v4wb_.ent; without one, the few domains "
        "that are whole corpus chains",
    )
    apart: bool = option(
        False, "homology: leave out training domains on chains of a cluster that has a domain in another split"
    )


@register("dataset")
class Folds(DataSet):
    """Domains with a backbone only (official ones with what their files have). Protein labels: "fold" int64 [], the
    place of the domain's fold in `folds`, and "level" int64 [], the place in `LEVELS` of a test domain's, else -1.

    A cluster is that of the corpus (30 % identity) within one family, which is what the splits keep apart: a chain of
    two families may have one domain in training and another in a test. An official domain is a cluster by itself.
    """

    name = "folds"
    summary = "domains with their folds, and tests at the levels of family, superfamily and fold"
    reference = DEEPSF.at("section 2.1, data sets of SCOP 1.75; by homology to SCOPe as the folder's README says")
    Config = FoldsConfig

    def __init__(self, config: FoldsConfig):
        import pyarrow.parquet as pq

        self.config = config
        self.folder = checked_folder(config.folder, _TABLES[config.source])
        if config.structures and config.source != "official":
            raise InputError(
                "structures of domains are read for the official lists alone",
                got=f"source {config.source}",
                do="Set source: official, or leave structures empty.",
            )
        table = pq.read_table(self.folder / _TABLES[config.source])
        rows = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
        split = rows["split"]
        self.folds = tuple(sorted(set(rows["fold"][split == "train"].tolist())))
        self.classes = {HEAD: self.folds}
        keep = np.char.startswith(split.astype(str), config.split)
        if config.source == "homology" and config.apart and config.split == "train":
            keep &= ~np.isin(rows["cluster"], rows["cluster"][split != "train"])
        self._files = files_of(config.structures) if config.structures else {}
        if config.source == "homology":
            self._take_segments(rows, keep)
        else:
            self._take_domains(rows, keep)
        if not self.ids:
            raise InputError("no domain is left", file=self.folder, got=str(config))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        spans = np.array([self._starts, self.lengths], np.int64).tobytes()
        return short_digest("\n".join(self.ids).encode(), self._fold.tobytes(), self._level.tobytes(), spans)

    def __getitem__(self, index: int) -> Example:
        labels = {"fold": self._fold[index], "level": self._level[index]}
        return Example(self.ids[index], self._protein(index), {}, int(self.clusters[index]), labels)

    def _protein(self, index: int) -> Protein:
        if self._files:
            from plait.structure import read_structure

            return read_structure(self._files[self.ids[index]])
        corpus, place = self._places[index]
        example = corpus[place]
        start, length = int(self._starts[index]), int(self.lengths[index])
        if start + length > len(example.protein):
            raise InputError("broken record", file=self.folder, place=self.ids[index], got=f"ends at {start + length}")
        return example.crop(start, length).protein

    def _take_segments(self, rows: dict, keep: np.ndarray) -> None:
        """Segments of corpus chains, named by chain and first and last residue from 1."""
        chains = corpus_chains(self.config.corpus)
        keep &= _among(rows["corpus_id"], chains)
        rows = {name: values[keep] for name, values in rows.items()}
        self._starts, self.lengths = rows["start"], rows["end"] - rows["start"]
        names = zip(rows["corpus_id"], rows["start"] + 1, rows["end"])
        self.ids = tuple(f"{chain}/{first}-{last}" for chain, first, last in names)
        self._places = [chains[chain] for chain in rows["corpus_id"]]
        self.clusters = _pairs(rows["cluster"], rows["family"])
        self._label(rows)

    def _take_domains(self, rows: dict, keep: np.ndarray) -> None:
        """Official domains whose structure is at hand."""
        chains = {} if self._files else corpus_chains(self.config.corpus)
        at_hand = _among(rows["domain"], self._files) if self._files else _among(rows["corpus_id"], chains)
        own = np.arange(len(keep))[keep & at_hand]
        rows = {name: values[own] for name, values in rows.items()}
        self.ids, self.clusters = tuple(rows["domain"].tolist()), own
        self._places = [chains[chain] for chain in rows["corpus_id"]] if chains else []
        whole = [corpus.lengths[index] for corpus, index in self._places]
        self._starts, self.lengths = np.zeros(len(own), np.int64), np.array(whole or rows["length"], np.int64)
        self._label(rows)

    def _label(self, rows: dict) -> None:
        place = {fold: index for index, fold in enumerate(self.folds)}
        self._fold = np.array([place.get(fold, -1) for fold in rows["fold"]], np.int64)
        levels = {f"test_{level}": index for index, level in enumerate(LEVELS)}
        self._level = np.array([levels.get(split, -1) for split in rows["split"]], np.int64)
        if (self._fold < 0).any():
            strange = rows["fold"][np.argmin(self._fold)]
            raise InputError("a fold that training lacks", file=self.folder / _TABLES[self.config.source], got=strange)


def files_of(folder: str) -> dict[str, Path]:
    """The structure files in a folder and the folders in it, by the name before the suffix.

    Raises
    ------
    InputError
        If there is no such folder or no structure in it.
    """
    files = {}
    for file in sorted(checked_folder(folder).rglob("*")):
        name = file.name.removesuffix(".gz")
        if file.is_file() and name.endswith(_SUFFIXES):
            files.setdefault(name.rsplit(".", 1)[0], file)
    if not files:
        raise InputError("no structure in the folder", file=folder, expected=f"files such as d1v4wb_{_SUFFIXES[1]}")
    return files


def _among(names: np.ndarray, known) -> np.ndarray:
    return np.array([name in known for name in names], bool)


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A number for each pair of values, int64 [N], which hangs on the pair alone."""
    return np.array([int(short_digest(f"{a} {b}".encode())[:15], 16) for a, b in zip(first, second)], np.int64)
