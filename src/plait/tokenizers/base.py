"""What every structure tokenizer is: a `Protein` goes in, one integer per residue comes out."""

from abc import ABC, abstractmethod

import numpy as np

from plait.structure.protein import Protein


class Tokenizer(ABC):
    """A structure tokenizer.

    Subclasses are registered with `plait.registry.register("tokenizer")` and carry `name`, `summary`, `reference`
    and `Config`. Tokens are in `[0, size)`; `unknown` (always `size`) stands for a residue that cannot be seen.

    Promise (tests/promises/test_tokenizers.py): the same tokens after any rotation and translation, for any thread
    count, alone or in a batch, and after save and load; a residue without backbone gets `unknown` and does not
    disturb residues out of its reach.
    """

    size: int
    """Number of states K."""

    reach: float = 50.0
    """Distance in angstrom beyond which a residue that loses its backbone does not change another's token."""

    @property
    def unknown(self) -> int:
        return self.size

    @abstractmethod
    def __call__(self, protein: Protein) -> np.ndarray:
        """Tokens int64 [R]. Chains are seen apart: one never stands in another's surroundings."""

    def batch(self, proteins) -> list[np.ndarray]:
        """Tokens of several proteins."""
        return [self(protein) for protein in proteins]

    @abstractmethod
    def save(self, folder) -> None:
        """Write the tokenizer into a folder, as safetensors, npy and JSON."""

    @classmethod
    @abstractmethod
    def load(cls, folder) -> "Tokenizer":
        """The tokenizer that `save` wrote."""
