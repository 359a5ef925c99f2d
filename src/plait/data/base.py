"""What a data set is: a folder that gives named examples at random, and says where each may be used."""

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from plait.errors import InputError
from plait.structure.protein import Protein


@dataclasses.dataclass(frozen=True)
class Example:
    """A protein with what is known of it.

    Attributes
    ----------
    id : str
    protein : Protein
    labels : dict of str to array
        What the data set knows beside the structure, by name, e.g. "profile" float32 [R, 20].
    cluster : int
        Examples of one cluster never stand in different splits; -1 if there are no clusters.
    protein_labels : dict of str to array
        What it knows of the protein as a whole, such as "ec" float32 [classes] or "fold" int64 []; a crop keeps them.
    """

    id: str
    protein: Protein
    labels: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    cluster: int = -1
    protein_labels: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def crop(self, start: int, length: int) -> "Example":
        """Residues `start` to `start + length` with their labels (arrays whose first axis is the residues); labels of
        the whole protein stay."""
        mask = np.zeros(len(self.protein), bool)
        mask[start : start + length] = True
        labels = {name: value[start : start + length] for name, value in self.labels.items()}
        return dataclasses.replace(self, protein=self.protein.select(mask), labels=labels)


class DataSet(ABC):
    """A set of examples on disk. Subclasses are registered with `plait.registry.register("dataset")`.

    Promise: opens in under a second; random access; `digest` of its content; splits never share a cluster; a broken
    record is named and skipped (`read_error` holds the InputErrors met so far).
    """

    lengths: np.ndarray
    """Number of residues of each example, int64 [N]."""

    classes: dict[str, tuple[str, ...]] = {}
    """Names of the classes of a head that the labels are for, such as "protein_ec": a trained model's card keeps them
    (`Model.card["classes"]`), so that its answers have names."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Example:
        """An example. Raises InputError where the record is broken."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of what the set holds, shortened to 16 digits."""


def checked_folder(folder: str, *files: str) -> Path:
    """The folder as a path, if it is there and has the files.

    Raises
    ------
    InputError
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError("no such data folder", file=folder, do="Give the folder that holds the data set's README.")
    for name in files:
        if not (path / name).is_file():
            raise InputError("a file of the data set is missing", file=path / name, do="Is the folder complete?")
    return path


def short_digest(*parts: bytes) -> str:
    """SHA-256 over the parts, its first 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
