"""Weights on disk: safetensors only, whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path

from plait.errors import InputError


def write_tensors(tensors: Mapping, path) -> None:
    """Write tensors (of torch) by name into a safetensors file, beside its place and then moved there."""
    from safetensors.torch import save

    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    beside.write_bytes(save(tensors, metadata={"format": "pt"}))
    os.replace(beside, path)


def read_tensors(path) -> dict:
    """All tensors (of torch) of a safetensors file by name.

    Raises
    ------
    InputError
        If there is no such file or it is something else, a pickle above all.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        pickles = sorted(other.name for ending in ("*.bin", "*.pt") for other in path.parent.glob(ending))
        raise InputError(
            "no such file of weights",
            file=path,
            got=", ".join(pickles) or None,
            expected="safetensors",
            do="plait models convert takes the numbers out of pickles." if pickles else None,
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        with open(path, "rb") as file:
            start = file.read(2)
        pickled = start == b"PK" or start[:1] == b"\x80"
        raise InputError(
            "not a safetensors file",
            file=path,
            got="a pickle" if pickled else str(error),
            do="plait models convert takes the numbers out of pickles." if pickled else None,
        ) from None
