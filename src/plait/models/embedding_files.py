"""Files of embeddings, .parquet and .safetensors: made of parts, one for each structure, for work that is resumed."""

import dataclasses
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from plait.data.base import short_digest
from plait.models.embedding import ChainVectors
from plait.models.embedding_parts import join_parts, read_joined, read_part, write_part

BYTES = 64 << 20
"""Vectors held in memory before they are written to a Parquet file as a row group."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A structure in a file of embeddings: its name there, the file as given, and the SHA-256 of what it held."""

    name: str
    file: str
    sha256: str


class EmbeddingFile:
    """A file that is being made, and the folder beside it that holds its parts meanwhile.

    Parameters
    ----------
    path : Path
        .parquet or .safetensors.
    settings : dict
        What the vectors depend on beside the structure. Parts and files of other settings are not used.
    """

    def __init__(self, path: Path, settings: dict):
        self.path, self.settings = path, settings
        self.folder = path.with_name(f".{path.name}.parts")
        self.entries = self._entries()
        self._there = {entry.sha256 for entry in self.entries}

    def part(self, sha256: str) -> Path:
        """Where the vectors of a structure of this content are put."""
        return self.folder / f"{sha256[:32]}-{short_digest(json.dumps(self.settings).encode())}.safetensors"

    def has(self, sha256: str) -> bool:
        """Whether they are there already: in the file or as a part."""
        return sha256 in self._there or self.part(sha256).is_file()

    def finish(self, entries: list[Entry]) -> None:
        """Make the file of these structures, in this order, and remove the parts. A file that has just these is left
        alone.

        Raises
        ------
        InputError
            If there are too many for the kind of file.
        """
        if entries != self.entries:
            self._unpack({entry.sha256 for entry in entries})
            metadata = {
                "plait": json.dumps(self.settings),
                "structures": json.dumps([dataclasses.astuple(entry) for entry in entries]),
            }
            self.folder.mkdir(parents=True, exist_ok=True)
            beside = self.folder / "joined"
            parts = [(entry.name, self.part(entry.sha256)) for entry in entries]
            _KINDS[self.path.suffix.lower()][0](parts, metadata, beside)
            os.replace(beside, self.path)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unpack(self, wanted: set[str]) -> None:
        """Vectors of the file as parts, for another order or number of structures."""
        wanted = {sha256 for sha256 in wanted if not self.part(sha256).is_file()}
        sha256_of = {entry.name: entry.sha256 for entry in self.entries}
        if wanted & set(sha256_of.values()):
            for name, chains in read_embeddings(self.path)[1]:
                if sha256_of[name] in wanted:
                    write_part(chains, self.part(sha256_of[name]))

    def _entries(self) -> list[Entry]:
        """What the file holds, if it is one of these settings."""
        try:
            metadata, _ = read_embeddings(self.path)
            if json.loads(metadata["plait"]) == self.settings:
                return [Entry(*one) for one in json.loads(metadata["structures"])]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no file, or another one: it will be replaced
        return []


def read_embeddings(path: str | os.PathLike) -> tuple[dict[str, str], Iterator[tuple[str, list[ChainVectors]]]]:
    """Metadata, and name and vectors of each structure in turn, of a file that `plait embed` wrote."""
    path = Path(path)
    return _KINDS[path.suffix.lower()][1](path)


# -- Parquet


def _join_parquet(parts: list[tuple[str, Path]], metadata: dict[str, str], path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    settings = json.loads(metadata["plait"])
    kind = pyarrow.float16() if settings["half"] else pyarrow.float32()
    text, number = pyarrow.string(), pyarrow.int32()
    columns = {
        "residue": {"sequence_position": number, "author_number": text, "residue": text},
        "atom": {"sequence_position": number, "author_number": text, "residue": text, "atom": text},
        "protein": {"author_numbers": pyarrow.list_(text), "residues": pyarrow.list_(text)},
    }[settings["level"]]
    columns = {"structure": text, "chain": text, **columns}
    named = [name for name, type in columns.items() if type is text]
    schema = pyarrow.schema(
        {**columns, "vector": pyarrow.list_(kind, sum(settings["widths"].values()))}, metadata=metadata
    )
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=named) as writer:
        for group in _groups((name, one) for name, part in parts for one in read_part(part)):
            vectors = np.concatenate([one.vectors for _, one in group])
            table = {name: [] for name in columns}
            for structure, one in group:
                rows = _rows(one, settings["level"])
                table["structure"] += [structure] * len(one.vectors)
                table["chain"] += [one.chain] * len(one.vectors)
                for name, values in rows.items():
                    table[name] += values
            flat = pyarrow.array(vectors.ravel(), kind)
            table["vector"] = pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
            writer.write_table(pyarrow.table(table, schema=schema), row_group_size=len(vectors))


def _groups(chains) -> Iterator[list[tuple[str, ChainVectors]]]:
    """Chains in groups of about `BYTES`."""
    group, size = [], 0
    for name, one in chains:
        group.append((name, one))
        size += one.vectors.nbytes
        if size >= BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _rows(one: ChainVectors, level: str) -> dict[str, list]:
    """Columns that name the rows of a chain."""
    if level == "protein":
        return {"author_numbers": [list(one.author_numbers)], "residues": [list(one.residues)]}
    if level == "atom":
        counts = [len(names) for names in one.atoms]
        places = np.repeat(np.arange(len(counts)), counts)
        return {
            "sequence_position": (places + 1).tolist(),
            "author_number": [one.author_numbers[place] for place in places],
            "residue": [one.residues[place] for place in places],
            "atom": list(itertools.chain.from_iterable(one.atoms)),
        }
    return {
        "sequence_position": list(range(1, len(one.residues) + 1)),
        "author_number": list(one.author_numbers),
        "residue": list(one.residues),
    }


def _read_parquet(path: Path) -> tuple[dict[str, str], Iterator[tuple[str, list[ChainVectors]]]]:
    import pyarrow.parquet

    found = pyarrow.parquet.read_schema(path).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}, _parquet_pieces(path)


def _parquet_pieces(path: Path) -> Iterator[tuple[str, list[ChainVectors]]]:
    """A chain's rows lie in one row group, a structure's may lie in two."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        chains = (one for group in range(file.num_row_groups) for one in _chains(file.read_row_group(group)))
        for name, found in itertools.groupby(chains, key=lambda one: one[0]):
            yield name, [one for _, one in found]


def _chains(table) -> Iterator[tuple[str, ChainVectors]]:
    column = {name: table.column(name).combine_chunks() for name in table.column_names}
    vectors = column["vector"].flatten().to_numpy().reshape(len(table), -1)
    column = {name: values.to_pylist() for name, values in column.items() if name != "vector"}
    starts = [
        row
        for row in range(len(table))
        if row == 0 or any(column[name][row] != column[name][row - 1] for name in ("structure", "chain"))
    ]
    for start, end in itertools.pairwise([*starts, len(table)]):
        here = slice(start, end)
        names = {name: values[here] for name, values in column.items()}
        yield names["structure"][0], _named(names, vectors[here])


def _named(names: dict[str, list], vectors: np.ndarray) -> ChainVectors:
    chain = names["chain"][0]
    if "residues" in names:
        return ChainVectors(chain, tuple(names["author_numbers"][0]), tuple(names["residues"][0]), vectors)
    if "atom" not in names:
        return ChainVectors(chain, tuple(names["author_number"]), tuple(names["residue"]), vectors)
    first = np.flatnonzero(np.diff(names["sequence_position"], prepend=0))
    atoms = tuple(tuple(part) for part in np.split(np.array(names["atom"], object), first[1:]))
    numbers, residues = (tuple(names[key][place] for place in first) for key in ("author_number", "residue"))
    return ChainVectors(chain, numbers, residues, vectors, atoms)


_KINDS = {".parquet": (_join_parquet, _read_parquet), ".safetensors": (join_parts, read_joined)}

ENDINGS = tuple(_KINDS)
"""Kinds of files."""
