"""Residues of corpus chains that bind metals, nucleic acids, peptides, proteins, ATP or haem."""

import dataclasses
import zipfile
import zlib
from collections.abc import Callable
from typing import Literal

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example, checked_folder, short_digest
from plait.data.corpus import Corpus, CorpusConfig
from plait.errors import InputError
from plait.references import GPSITE
from plait.registry import register

UNKNOWN_LABEL = 255
_COLUMNS = ("ligand", "official_split", "corpus_id", "length", "offset", "corpus_split")


@dataclasses.dataclass(frozen=True)
class ResidueLabelsConfig:
    folder: str = option("../shared/data/labels", "folder with residue_index.parquet and residue_labels.npz")
    corpus: str = option("../shared/data/corpus", "folder of the corpus, whose chains are labelled")
    ligand: Literal["ATP", "HEM", "CA", "MG", "MN", "ZN", "DNA", "RNA", "PEP", "PRO", "PPBS", "PIDPBS", "BCE"] = option(
        "ZN",
        "what binds: ATP, haem, a metal, DNA, RNA, a peptide, a protein (GPSite); any protein, a disordered partner or "
        "an antibody (ScanNet: PPBS, PIDPBS, BCE)",
    )
    split: Literal["train", "valid", "test"] = option("train", "which clusters of the corpus")
    official: str = option(
        "",
        "the source's own split instead, such as train, test or test_none (test: also test_none, test_70, ...); "
        "its clusters are not those of the corpus",
    )
    exclude: Literal["nothing", "near_dms", "near_dms_cluster"] = option(
        "nothing", "leave out chains similar to targets of mutational scans, or their whole clusters"
    )


@register("dataset")
class ResidueLabels(DataSet):
    """Chains with a backbone only, and which of their residues bind one kind of partner.

    Label "binding_site" float32 [R]: 1, 0, or NaN where the source says nothing. A chain that carries several records
    is one example: a residue binds if it does in any of them.

    `open_corpus` takes a `CorpusConfig` and gives the corpus; several sets that are given the same cached one share
    their chains.
    """

    name = "residue-labels"
    summary = "residues of corpus chains that bind metals, nucleic acids, peptides, proteins, ATP or haem"
    reference = GPSITE.at("GPSite's ten sets; the others are ScanNet's, as the folder's README says")
    Config = ResidueLabelsConfig

    def __init__(self, config: ResidueLabelsConfig, open_corpus: Callable[[CorpusConfig], Corpus] = Corpus):
        import pyarrow.parquet as parquet

        self.config = config
        self.folder = checked_folder(config.folder, "residue_index.parquet", "residue_labels.npz")
        table = parquet.read_table(self.folder / "residue_index.parquet", columns=list(_COLUMNS))
        rows = {name: table[name].to_numpy(zero_copy_only=False) for name in _COLUMNS}
        keep = rows["ligand"] == config.ligand
        if config.official:
            official = rows["official_split"].astype(str)
            keep &= (official == config.official) | np.char.startswith(official, f"{config.official}_")
        splits = ("train", "valid", "test") if config.official else (config.split,)
        chains = {}
        for split in splits:
            corpus = open_corpus(CorpusConfig(folder=config.corpus, split=split, exclude=config.exclude))
            chains |= {name: (corpus, index) for index, name in enumerate(corpus.ids)}
        self._records: dict[str, list[tuple[int, int]]] = {}
        for at in np.flatnonzero(keep):
            if rows["corpus_id"][at] in chains:
                record = int(rows["offset"][at]), int(rows["length"][at])
                self._records.setdefault(rows["corpus_id"][at], []).append(record)
        if not self._records:
            raise InputError("no labelled chain is left", file=self.folder, got=str(config))
        self.ids = tuple(self._records)
        self._places = [chains[name] for name in self.ids]
        self.lengths = np.array([corpus.lengths[index] for corpus, index in self._places])
        self.clusters = np.array([corpus.clusters[index] for corpus, index in self._places])
        self._labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        records = [self._all_labels()[a : a + n].tobytes() for places in self._records.values() for a, n in places]
        return short_digest("\n".join(self.ids).encode(), *records)

    def __getitem__(self, index: int) -> Example:
        name, (corpus, place) = self.ids[index], self._places[index]
        labels = self._all_labels()
        site = np.full(int(self.lengths[index]), np.nan, np.float32)
        for offset, length in self._records[name]:
            record = labels[offset : offset + length]
            if len(record) != len(site) or not np.isin(record, (0, 1, UNKNOWN_LABEL)).all():
                raise InputError("broken record", file=self.folder, place=name, got=f"{len(record)} labels")
            site = np.fmax(site, np.where(record == UNKNOWN_LABEL, np.nan, record).astype(np.float32))
        example = corpus[place]
        return Example(name, example.protein, {"binding_site": site}, example.cluster)

    def _all_labels(self) -> np.ndarray:
        if self._labels is None:
            file = self.folder / "residue_labels.npz"
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    self._labels = arrays["labels"]
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                raise InputError("unreadable labels", file=file, got=str(error)) from None
        return self._labels
