"""Structure tokens of a data set: of whole chains, computed when first asked for, kept in a file, handed out as a
label."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from plait.data.base import DataSet, Example, short_digest
from plait.structure.protein import Protein

NOT_YET = -1


class WithStructureTokens(DataSet):
    """A data set whose examples carry the label "structure_tokens", int64 [R].

    A run that reads a part of the corpus tokenises this part. The file is written chain by chain, so that a run which
    was stopped, or another one with the same tokenizer, goes on from it.

    Parameters
    ----------
    tokenize : function Protein -> int64 [R]
    key : str
        What tells this tokenizer from others (a digest of its weights).
    folder : path
        Where computed tokens are kept, one file (.npy, int16 [variants, residues of all chains]) per data set and
        tokenizer.
    variants : int
        The first version is of the backbone as it is, the others have Gaussian `noise` (angstrom) on it. `variant`
        decides which one an example has.
    """

    def __init__(
        self,
        dataset: DataSet,
        tokenize: Callable[[Protein], np.ndarray],
        *,
        key: str,
        folder,
        variants: int = 1,
        noise: float = 0.0,
    ):
        self.dataset, self.lengths, self.variants = dataset, dataset.lengths, variants
        self.clusters, self.classes = getattr(dataset, "clusters", None), dataset.classes
        self._tokenize, self._noise = tokenize, noise
        self._offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        self._digest = short_digest(dataset.digest.encode(), key.encode(), f"{variants} {noise}".encode())
        self._tokens = _kept(Path(folder) / f"{self._digest}.npy", (variants, int(self._offsets[-1])))
        self.variant = 0

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Example:
        example = self.dataset[index]
        variant = self.variant if self.variant < self.variants else 0
        kept = self._tokens[variant, self._offsets[index] : self._offsets[index + 1]]
        if (kept == NOT_YET).any():  # of a chain whose writing was cut short as well
            kept[:] = self._tokenize(self._version(example.protein, index, variant))
        return dataclasses.replace(example, labels={**example.labels, "structure_tokens": kept.astype(np.int64)})

    @property
    def digest(self) -> str:
        return self._digest

    def _version(self, protein: Protein, index: int, variant: int) -> Protein:
        if not variant:
            return protein
        generator = np.random.default_rng([index, variant])
        return protein.with_positions(protein.position + generator.normal(0, self._noise, protein.position.shape))


def _kept(file: Path, shape: tuple[int, int]) -> np.ndarray:
    """The file's array, open for writing; a new one holds `NOT_YET`."""
    if not shape[1]:
        return np.full(shape, NOT_YET, np.int16)  # a file of no bytes cannot be mapped
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npy")
        np.save(part, np.full(shape, NOT_YET, np.int16))
        part.replace(file)
    return np.load(file, mmap_mode="r+")
