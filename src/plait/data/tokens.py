"""Structure tokens of a data set: computed once on whole chains, kept in a file, handed out as a label."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from plait.data.base import DataSet, Example, short_digest
from plait.structure.protein import Protein


class WithStructureTokens(DataSet):
    """A data set whose examples carry the label "structure_tokens", int64 [R].

    Parameters
    ----------
    tokenize : function Protein -> int64 [R]
    key : str
        What tells this tokenizer from others (a digest of its weights).
    folder : path
        Where computed tokens are kept, one file per data set and tokenizer.
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
        progress: Callable = iter,
    ):
        self.dataset, self.lengths, self.variants = dataset, dataset.lengths, variants
        self.clusters, self.classes = getattr(dataset, "clusters", None), dataset.classes
        name = short_digest(dataset.digest.encode(), key.encode(), f"{variants} {noise}".encode())
        file = Path(folder) / f"{name}.npz"
        self._offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        if file.is_file():
            self._tokens = np.load(file)["tokens"]
        else:
            self._tokens = self._compute(tokenize, variants, noise, progress)
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.npz")
            np.savez_compressed(part, tokens=self._tokens)
            part.replace(file)
        self.variant = 0

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Example:
        example = self.dataset[index]
        variant = self.variant if self.variant < self.variants else 0
        tokens = self._tokens[variant, self._offsets[index] : self._offsets[index + 1]].astype(np.int64)
        return dataclasses.replace(example, labels={**example.labels, "structure_tokens": tokens})

    @property
    def digest(self) -> str:
        return short_digest(self.dataset.digest.encode(), self._tokens.tobytes())

    def _compute(self, tokenize, variants: int, noise: float, progress: Callable) -> np.ndarray:
        tokens = np.zeros((variants, int(self._offsets[-1])), np.int16)
        for index in progress(range(len(self.dataset))):
            protein = self.dataset[index].protein
            rows = slice(self._offsets[index], self._offsets[index + 1])
            for variant in range(variants):
                if variant:
                    generator = np.random.default_rng([index, variant])
                    moved = protein.position + generator.normal(0, noise, protein.position.shape)
                    tokens[variant, rows] = tokenize(protein.with_positions(moved))
                else:
                    tokens[variant, rows] = tokenize(protein)
        return tokens
