"""Precomputed embeddings of residues: what `plait embed` wrote, or arrays by id from any other program."""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from plait.data.base import short_digest
from plait.data.digests import file_digest
from plait.errors import InputError, closest
from plait.models.embedding_files import ENDINGS, read_embeddings
from plait.structure.files import stem
from plait.structure.protein import Protein

ARRAYS = (".npy", ".safetensors")
"""Endings of the files in a folder of arrays."""

BEGINNING = 1 << 16
"""Bytes of each file of a folder that its digest is made of, beside name and size."""


class FileEmbeddings:
    """Rows [R, S] by the name of a structure, read when they are asked for.

    Parameters
    ----------
    path : path
        A file of `plait embed --level residue`, .safetensors or .parquet; another .safetensors whose tensors are called
        by id; or a folder of ID.npy or ID.safetensors. An array is of all residues in the protein's order, or there is
        one for each chain, by its identifier.

    Raises
    ------
    InputError
        If it is none of them, holds nothing, or vectors of atoms or chains.
    """

    computed, own = False, False

    def __init__(self, path):
        self.path = Path(path)
        self._handle: Any = None
        if self.path.is_dir():
            files = sorted(one for one in self.path.iterdir() if one.suffix.lower() in ARRAYS and one.is_file())
            self._files = {one.name[: -len(one.suffix)]: one for one in files if not one.name.startswith(".")}
            names = list(self._files)
        elif self.path.is_file() and self.path.suffix.lower() in ENDINGS:
            self._files = {}
            names = list(self._joined)
        else:
            raise InputError(
                "no precomputed embeddings here",
                file=self.path,
                expected="a file of plait embed (.safetensors, .parquet), or a folder of ID.npy or ID.safetensors",
            )
        if not names:
            raise InputError("holds no embeddings", file=self.path, expected="an array for each structure, by its id")
        self._names = names
        self.width = next(iter(self._entry(names[0]).values())).shape[1]

    def __getstate__(self):
        return {**self.__dict__, "_handle": None}

    @property
    def named(self) -> dict[str, str]:
        """What a recipe calls them."""
        return {"file": str(self.path)}

    @property
    def record(self) -> dict:
        """What model.json says of them."""
        return {"file": self.path.name, "width": self.width}

    @functools.cached_property
    def digest(self) -> str:
        """Of a file's content; of a folder's names, sizes and how each file begins."""
        if not self._files:
            return file_digest(self.path)["sha256"][:16]
        parts = []
        for name, file in self._files.items():
            with file.open("rb") as opened:
                begins = hashlib.sha256(opened.read(BEGINNING)).hexdigest()
            parts.append(f"{name} {file.stat().st_size} {begins}")
        return short_digest("\n".join(parts).encode())

    def check(self) -> None:
        """They are there: whatever else could be wrong was found when they were opened."""

    def fits(self, name: str, residues: int) -> bool:
        """Whether there is one array of this name and of so many residues. Raises InputError if there is none."""
        (*arrays,) = self._entry(self._named(name)).values()
        return len(arrays) == 1 and arrays[0].shape == (residues, self.width)

    def __call__(self, protein: Protein) -> np.ndarray:
        """float32 [R, S] of the structure that `protein.source` names, with or without the ending of its file.

        Raises
        ------
        InputError
            If there is none, or its rows are not those of the protein's residues.
        """
        name = self._named(protein.source)
        entry, chains = self._entry(name), protein.chains
        rows = np.empty((len(protein), self.width), np.float32)
        if len(entry) == 1 and (len(chains) == 1 or None in entry):
            ((_, array),) = entry.items()
            rows[:] = self._values(array, len(protein), name)
            return rows
        for chain in chains:
            own, place = protein.chain == chain, f"{name}, chain {chain}"
            if chain not in entry:
                raise InputError(
                    "no embeddings of a chain", file=self.path, place=place, got=", ".join(map(str, entry))
                )
            rows[own] = self._values(entry[chain], int(own.sum()), place)
        return rows

    def _values(self, array: "_Array", residues: int, place: str) -> np.ndarray:
        if array.shape != (residues, self.width):
            raise InputError(
                "embeddings do not fit the structure",
                file=self.path,
                place=place,
                got=f"{array.shape[0]} rows of {array.shape[1]} values",
                expected=f"{residues} residues of {self.width}",
            )
        values = np.asarray(array.read(self), np.float32)
        if not np.isfinite(values).all():
            raise InputError("embeddings that are no finite numbers", file=self.path, place=place)
        return values

    def _named(self, name: str) -> str:
        """The name among those that are there which a structure of this name has."""
        there = self._files or self._joined
        for known in (name, stem(name)):
            if known in there:
                return known
        near = closest(name, self._names[:10_000])
        raise InputError(
            "no embeddings of this structure",
            file=self.path,
            place=name or "a structure without a name",
            got=f"those of {len(self._names)} others",
            do=f"Did you mean {near!r}?" if near else "They are found by id, or by the file's name without its ending.",
        )

    def _entry(self, name: str) -> dict[str | None, "_Array"]:
        """Arrays of a structure by chain, None for one of the whole."""
        if not self._files:
            return self._joined[name]
        file = self._files[name]
        if file.suffix.lower() == ".npy":
            return {None: _Npy(file)}
        tensors = _opened(file)
        keys = list(tensors.keys())
        if len(keys) == 1:
            return {None: _Tensor(tensors, file, keys[0])}
        return {key.rsplit("/", 1)[-1]: _Tensor(tensors, file, key) for key in keys}

    @functools.cached_property
    def _joined(self) -> dict[str, dict[str | None, "_Array"]]:
        """Arrays of a file by structure and chain."""
        found: dict[str, dict[str | None, _Array]] = {}
        if self.path.suffix.lower() == ".parquet":
            metadata, pieces = read_embeddings(self.path)
            self._check_level(metadata)
            for name, chains in pieces:
                found[name] = {one.chain: _Held(one.vectors, self.path) for one in chains}
            return found
        tensors = self._tensors()
        metadata = tensors.metadata() or {}
        ours = "plait" in metadata
        if ours:
            self._check_level(metadata)
        for key in list(tensors.keys()):
            name, chain = key.split("/", 1) if ours else (key, None)
            found.setdefault(name, {})[chain] = _Tensor(tensors, self.path, key, kept=False)
        return found

    def _check_level(self, metadata: dict[str, str]) -> None:
        level = json.loads(metadata.get("plait", "{}")).get("level")
        if level != "residue":
            raise InputError(
                "embeddings of another level",
                file=self.path,
                got=level or "none",
                expected="plait embed --level residue",
            )

    def _tensors(self):
        if self._handle is None:
            self._handle = _opened(self.path)
        return self._handle


class _Array:
    """An array [R, S] that is somewhere; `shape` and `read` of it."""

    shape: tuple[int, ...]

    def read(self, source: FileEmbeddings) -> np.ndarray:
        raise NotImplementedError


class _Held(_Array):
    def __init__(self, values: np.ndarray, file: Path):
        self.values, self.shape = values, _checked(values.shape, file)

    def read(self, source):
        return self.values


class _Npy(_Array):
    def __init__(self, file: Path):
        try:
            self.values = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError("cannot be read as an array", file=file, got=str(error)) from None
        self.shape = _checked(self.values.shape, file)

    def read(self, source):
        return self.values


class _Tensor(_Array):
    """A tensor of a safetensors file; of a large one (`kept` false) only its name is held."""

    def __init__(self, tensors, file: Path, key: str, kept: bool = True):
        self.key, self.tensors = key, tensors if kept else None
        self.shape = _checked(tuple(tensors.get_slice(key).get_shape()), file)

    def read(self, source):
        tensors = source._tensors() if self.tensors is None else self.tensors
        return tensors.get_tensor(self.key).float().numpy()  # by torch, as numpy knows no bfloat16


def _checked(shape: tuple[int, ...], file: Path) -> tuple[int, ...]:
    if len(shape) != 2:
        raise InputError(
            "not embeddings of residues", file=file, got=f"an array {shape}", expected="[residues, values]"
        )
    return tuple(shape)


def _opened(file: Path):
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(str(file), "pt")
    except (SafetensorError, OSError) as error:
        raise InputError("not a safetensors file", file=file, got=str(error)) from None
