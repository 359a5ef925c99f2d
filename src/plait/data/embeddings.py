"""Embeddings of a data set: rows for each residue that an encoder reads beside the structure, as a label."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from plait.data.base import DataSet, Example, short_digest
from plait.errors import InputError
from plait.structure.protein import Protein

LANGUAGE = "language"
"""The label, and the input of an encoder: float32 [R, S]."""

RESIDUES = 50_000
"""Residues in one file of kept rows, about; a kill costs at most one."""


class Source(Protocol):
    """Where rows come from: `plait.models.embedding_sources`.

    Attributes
    ----------
    width : int
        S, values of a residue.
    digest : str
        What tells these rows from others.
    computed : bool
        Whether they are computed, so that they are worth keeping; else they are read.
    """

    width: int
    digest: str
    computed: bool

    def __call__(self, protein: Protein) -> np.ndarray:
        """float32 [R, S]; rows that are read are found by `protein.source`."""

    def fits(self, name: str, residues: int) -> bool:
        """Whether rows of this name surely fit a protein of so many residues. Raises InputError if there are none."""


class WithEmbeddings(DataSet):
    """A data set whose examples carry the label "language", float32 [R, S].

    Rows are those of whole examples without noise, all chains together: a crop has what its residues had in the whole.
    Rows that are computed are kept as float16 and are rounded so at inference too.

    Parameters
    ----------
    source : Source
    folder : path
        Where computed rows are kept: a folder for each data set and source, in files of about `RESIDUES` residues. What
        an earlier run left is used.

    Raises
    ------
    InputError
        If rows of an example are missing or of another length.
    """

    def __init__(self, dataset: DataSet, source: Source, *, folder, progress: Callable = iter):
        self.dataset, self.source, self.lengths = dataset, source, np.asarray(dataset.lengths)
        self.clusters, self.classes = getattr(dataset, "clusters", None), dataset.classes
        ids = getattr(dataset, "ids", None)
        self.ids = tuple(ids) if ids is not None else tuple(self._inner(index).id for index in range(len(dataset)))
        self._kept = None
        if source.computed:
            name = short_digest(dataset.digest.encode(), source.digest.encode(), self.lengths.tobytes())
            self._kept = _Kept(self.lengths, Path(folder) / name)
            self._kept.fill(self._computed, progress)
        else:
            self._check()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Example:
        example = self._inner(index)
        rows = self.source(example.protein) if self._kept is None else self._kept[index]
        return dataclasses.replace(example, labels={**example.labels, LANGUAGE: rows})

    @property
    def digest(self) -> str:
        return short_digest(self.dataset.digest.encode(), self.source.digest.encode())

    def _inner(self, index: int) -> Example:
        """An example whose protein is called as the example, so that what is read of it is found by its id."""
        example = self.dataset[int(index)]
        if example.protein.source == example.id:
            return example
        return dataclasses.replace(example, protein=example.protein.replace(source=example.id))

    def _computed(self, index: int) -> np.ndarray:
        try:
            protein = self._inner(index).protein
        except InputError:  # a broken record, which nobody can read
            return np.zeros((int(self.lengths[index]), self.source.width), np.float32)
        return self.source(protein)

    def _check(self) -> None:
        # here and not at the first visit, as batches pass over examples that cannot be read
        for index, (name, length) in enumerate(zip(self.ids, self.lengths, strict=True)):
            if not self.source.fits(name, int(length)):
                self.source(self._inner(index).protein)


class _Kept:
    """Rows of examples in files, float16 [residues, S], each of consecutive examples."""

    def __init__(self, lengths: np.ndarray, folder: Path):
        self.folder = folder
        self._start = np.cumsum([0, *lengths])
        self._part = self._start[:-1] // RESIDUES  # of each example
        self._first = {int(part): int(row) for row, part in zip(self._start[:-1][::-1], self._part[::-1])}
        self._open: dict[int, np.ndarray] = {}

    def __getstate__(self):
        return {**self.__dict__, "_open": {}}

    def __getitem__(self, index: int) -> np.ndarray:
        part = int(self._part[index])
        if part not in self._open:
            self._open[part] = np.load(self._file(part), mmap_mode="r")
        start, stop = self._start[index : index + 2] - self._first[part]
        return self._open[part][start:stop].astype(np.float32)

    def fill(self, rows_of: Callable[[int], np.ndarray], progress: Callable) -> None:
        """Compute what is not there."""
        missing = {part for part in self._first if not self._file(part).is_file()}
        todo = [index for index, part in enumerate(self._part) if part in missing]
        if not todo:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        found: list[np.ndarray] = []
        for index in progress(todo):
            part = int(self._part[index])
            found.append(rows_of(index).astype(np.float16))
            if index + 1 == len(self._part) or self._part[index + 1] != part:
                beside = self.folder / f".{part}.{os.getpid()}.npy"
                np.save(beside, np.concatenate(found))
                os.replace(beside, self._file(part))
                found = []

    def _file(self, part: int) -> Path:
        return self.folder / f"{part:05d}.npy"
