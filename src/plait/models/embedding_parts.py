"""Vectors of one structure on disk, and many such files as one: safetensors, written and joined in little memory.

The library writes a file from memory alone; its form is simple (the length of a JSON header, the header, the bytes), so
that files are joined here by writing one header and copying the bytes.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from plait.errors import InputError
from plait.models.embedding import ChainVectors

KINDS = {"float32": "F32", "float16": "F16"}

LONGEST_HEADER = 100_000_000
"""Bytes of a header that the library reads at most."""


def write_part(chains: list[ChainVectors], path: Path) -> None:
    """Write the vectors of one structure, beside their place and then moved there.

    Tensors and entries of the metadata are named by chain. An entry is JSON: `author_numbers` and `residues` with
    spaces between, on the level of atoms also `atoms`, whose residues are parted by spaces and their atoms by commas.
    """
    header: dict = {"__metadata__": {one.chain: json.dumps(_labels(one)) for one in chains}}
    end = 0
    for one in chains:
        start, end = end, end + one.vectors.nbytes
        header[one.chain] = {
            "dtype": KINDS[one.vectors.dtype.name],
            "shape": list(one.vectors.shape),
            "data_offsets": [start, end],
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(_encoded(header))
        for one in chains:
            file.write(np.ascontiguousarray(one.vectors).tobytes())
    os.replace(beside, path)


def read_part(path: Path) -> list[ChainVectors]:
    """What `write_part` wrote."""
    with path.open("rb") as file:
        header = _header(file)
        return [_chain(name, header, name, file.read(_size(header[name]))) for name in _in_order(header)]


def join_parts(parts: Iterable[tuple[str, Path]], metadata: dict[str, str], path: Path) -> None:
    """One file of many: tensors and entries of the metadata are named "structure/chain", in the order given.

    Vectors of proteins are [d] here.

    Parameters
    ----------
    parts : iterable of (name of the structure, path)

    Raises
    ------
    InputError
        If the header would be too long to be read again.
    """
    parts = list(parts)
    header: dict = {"__metadata__": dict(metadata)}
    end = 0
    whole = json.loads(metadata["plait"])["level"] == "protein"
    for name, part in parts:
        with part.open("rb") as file:
            own = _header(file)
        for chain in _in_order(own):
            entry, start = own[chain], end
            end += _size(entry)
            shape = entry["shape"][1:] if whole else entry["shape"]
            header[f"{name}/{chain}"] = {"dtype": entry["dtype"], "shape": shape, "data_offsets": [start, end]}
            header["__metadata__"][f"{name}/{chain}"] = own["__metadata__"][chain]
    encoded = _encoded(header)
    if len(encoded) > LONGEST_HEADER:
        raise InputError(
            "too many structures for one safetensors file",
            got=f"{len(parts)} structures with {len(encoded)} bytes of names",
            do="Write .parquet, or several files.",
        )
    with path.open("wb") as joined:
        joined.write(encoded)
        for _, part in parts:
            with part.open("rb") as file:
                _header(file)
                shutil.copyfileobj(file, joined, 1 << 20)


def read_joined(path: Path) -> tuple[dict[str, str], Iterator[tuple[str, list[ChainVectors]]]]:
    """Metadata, and name and vectors of each structure of a file that `join_parts` wrote."""
    with path.open("rb") as file:
        header = _header(file)
    metadata = {key: value for key, value in header["__metadata__"].items() if "/" not in key}
    return metadata, _pieces(path)


def _pieces(path: Path) -> Iterator[tuple[str, list[ChainVectors]]]:
    with path.open("rb") as file:
        header = _header(file)
        chains: list[ChainVectors] = []
        last = None
        for name in _in_order(header):
            structure, chain = name.split("/", 1)
            if structure != last and last is not None:
                yield last, chains
                chains = []
            last = structure
            chains.append(_chain(chain, header, name, file.read(_size(header[name]))))
        if last is not None:
            yield last, chains


def _labels(one: ChainVectors) -> dict[str, str]:
    labels = {"author_numbers": " ".join(one.author_numbers), "residues": " ".join(one.residues)}
    if one.atoms is not None:
        labels["atoms"] = " ".join(",".join(names) for names in one.atoms)
    return labels


def _chain(chain: str, header: dict, name: str, data: bytes) -> ChainVectors:
    entry, labels = header[name], json.loads(header["__metadata__"][name])
    dtype = {kind: name for name, kind in KINDS.items()}[entry["dtype"]]
    vectors = np.frombuffer(data, np.dtype(dtype)).reshape(-1, entry["shape"][-1])
    atoms = labels.get("atoms")
    return ChainVectors(
        chain,
        tuple(labels["author_numbers"].split(" ")),
        tuple(labels["residues"].split(" ")),
        vectors,
        None if atoms is None else tuple(tuple(names.split(",")) if names else () for names in atoms.split(" ")),
    )


def _header(file) -> dict:
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise ValueError("no safetensors file")
    return json.loads(file.read(length))


def _in_order(header: dict) -> list[str]:
    return [name for name in header if name != "__metadata__"]


def _size(entry: dict) -> int:
    start, end = entry["data_offsets"]
    return end - start


def _encoded(header: dict) -> bytes:
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
