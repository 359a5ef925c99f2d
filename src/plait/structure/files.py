"""Which structure files a list of paths means."""

from collections.abc import Iterable
from pathlib import Path

from plait.errors import InputError

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")
"""Endings of structure files, each also with .gz."""


def structure_files(paths: Iterable) -> list[Path]:
    """The files that the paths name: a file is itself, whatever its ending; a folder is searched at any depth for
    `SUFFIXES`, sorted by path. No file comes twice.

    Raises
    ------
    InputError
        If a folder holds no structure file, or there is no path at all. Whether a file exists is not checked.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(file for file in path.rglob("*") if is_structure_file(file))
        if not inside:
            raise InputError(
                "no structure file in the folder", file=path, expected="files ending in " + ", ".join(SUFFIXES)
            )
        found.update(dict.fromkeys(inside))
    if not found:
        raise InputError("no structure file given", do="Name one or more files, or a folder.")
    return list(found)


def is_structure_file(path: Path) -> bool:
    """Whether the path ends as a structure file does and is a file; hidden files are not."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(SUFFIXES) and not path.name.startswith(".") and path.is_file()


def stem(path) -> str:
    """The name of a structure file without its endings: "1ubi" of "a/1ubi.pdb.gz"."""
    name = Path(path).name
    bare = name[:-3] if name.lower().endswith(".gz") else name
    for suffix in SUFFIXES:
        if bare.lower().endswith(suffix):
            return bare[: -len(suffix)]
    return bare
