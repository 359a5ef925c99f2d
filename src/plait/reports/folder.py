"""Output folders that are whole or not at all: files are written beside their place and moved there."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plait.errors import InputError

RECORD = "run.json"
"""The file that is moved last: where it stands, the others are complete."""


def check_folder(folder: str | Path) -> Path:
    """Raise `InputError` if nothing can be written to `folder`, before any work is done for it."""
    folder = Path(folder)
    with _said(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError("the output folder is a file", file=folder, do="Name another with --out.")
        nearest = folder
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise InputError("the output folder would be below a file", file=folder, got=f"{nearest} is a file")
        with tempfile.TemporaryFile(dir=nearest):
            pass
    return folder


@contextlib.contextmanager
def staged(folder: str | Path) -> Iterator[Path]:
    """A new folder beside `folder`, whose files are moved into `folder` when the block ends without an error.

    Other files of an existing `folder` are left alone. `RECORD` is removed first and moved last, so that a kill in
    between leaves a folder that is seen to be incomplete.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = check_folder(folder)
    made = [parent for parent in folder.parents if not parent.exists()]
    staging = None
    try:
        with _said(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        with _said(folder):
            yield staging
        with _said(folder):
            _publish(staging, folder)
    except BaseException:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
    shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, folder: Path) -> None:
    if not folder.exists():
        os.chmod(staging, 0o777 & ~_umask())
        os.rename(staging, folder)
        return
    (folder / RECORD).unlink(missing_ok=True)
    for path in sorted(staging.iterdir(), key=lambda path: path.name == RECORD):
        os.replace(path, folder / path.name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _said(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            "the output folder cannot be written",
            file=folder,
            got=error.strerror or str(error),
            do="Name another with --out.",
        ) from None
