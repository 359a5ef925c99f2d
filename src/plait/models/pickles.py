"""The two kinds of pickle that people hold published weights in, read without running them.

Everything else in plait refuses pickles. `plait models convert` calls what stands here.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from plait.errors import InputError, PlaitError

SECONDS = 900  # on the clock; the process has its own limit of processor time


def read_torch_state(path) -> dict[str, np.ndarray]:
    """The tensors of a state dict that `torch.save` wrote, by name; bfloat16 comes as float32.

    Raises
    ------
    InputError
        If the file holds anything but tensors by name. Nothing in it is executed.
    """
    from safetensors.numpy import load_file

    with _read("torch", path) as folder:
        return load_file(folder / "tensors.safetensors")


def read_kmeans(path) -> np.ndarray:
    """The centres (K, d), float32 or float64, of a scikit-learn KMeans that joblib or pickle wrote.

    Raises
    ------
    InputError
        If the file holds anything but numpy arrays and the state of a KMeans. Nothing in it is executed.
    """
    with _read("kmeans", path) as folder:
        centres = np.load(folder / "centres.npy", allow_pickle=False)
    if not np.isfinite(centres).all():
        row = int(np.flatnonzero(~np.isfinite(centres).all(axis=1))[0])
        raise InputError("a centre is not finite", file=path, place=f"centre {row}")
    return centres


def is_pickle(path) -> bool:
    """Whether a file is a pickle by its first bytes: a bare one, or the zip file that torch writes."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if start == b"PK\x03\x04":
        with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    return False


def refusal(path) -> InputError:
    """The error for a pickle where weights are expected."""
    return InputError(
        "this is a pickle, which could run code, and is not read",
        file=path,
        expected="safetensors",
        do="plait models convert takes the numbers out of it.",
    )


@contextlib.contextmanager
def _read(kind: str, path) -> Iterator[Path]:
    """A temporary folder with what the reading process took out of the file."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise InputError(what, file=path, got=None if what == "no such file" else error.strerror) from None
    if empty:
        raise InputError("empty file", file=path)
    with tempfile.TemporaryDirectory(prefix="plait-") as folder:
        answer = _run(kind, path.resolve(), folder)
        if answer is None:
            raise InputError("could not be read within the limits of memory and time", file=path)
        if answer:
            raise InputError(**answer, file=path)
        yield Path(folder)


def _run(kind: str, path: Path, folder: str) -> dict | None:
    """What the reading process answers: nothing wrong, or what; None if it was stopped by its limits."""
    # Isolated: neither the environment nor the working folder decide what is imported, only where we came from.
    home = str(Path(__file__).resolve().parents[2])
    paths = [home, *(entry for entry in sys.path if entry)]
    program = (
        "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
        "from plait.models.pickle_reader import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-I", "-c", program, json.dumps(paths), kind, str(path), folder]
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **single},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    answer = Path(folder) / "answer.json"
    if done.returncode == 0 and answer.is_file():
        return json.loads(answer.read_text())
    if done.returncode < 0:  # ended by a signal
        return None
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
    raise PlaitError(f"{path}: the process that reads pickles failed: {last[0]}")
