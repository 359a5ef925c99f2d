"""What a model said of the entries of a data set, kept in files so that a benchmark goes on where it was."""

import dataclasses
import io
import json
import os
import re
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np

from plait.data.base import short_digest
from plait.structure.protein import Protein
from plait.tasks.binding_sites.predicting import SiteSettings, find


@dataclasses.dataclass(frozen=True)
class SitePrediction:
    """Probability of each residue, float32 [R]; centres of pockets, best first, float64 [P, 3] in angstrom; seconds;
    and probability of each atom, float32 [A], or [0] from a model that says nothing of atoms."""

    probability: np.ndarray
    centres: np.ndarray
    seconds: float
    atoms: np.ndarray


class Predictor:
    """A model with its settings, and the folder in which its predictions are kept (None: nowhere).

    Attributes
    ----------
    reused : int
        How many predictions were already there.
    """

    def __init__(self, model, folder: Path | None):
        self.model, self.settings, self.reused = model, SiteSettings.of(model), 0
        plain = re.sub(r"[^\w.+-]+", "-", model.name).strip(".-") or "model"
        # the digest in the name keeps models of one name apart
        self.folder = None if folder is None or not model.digest else folder / f"{plain}-{model.digest[:8]}"

    def __call__(self, protein: Protein) -> SitePrediction:
        path = None if self.folder is None else self.folder / f"{protein.source}.npz"
        key = self._key(protein)
        if path is not None:
            kept = _read(path, key)
            if kept is not None:
                self.reused += 1
                return kept
        started = time.perf_counter()
        found = find(self.model, protein, self.settings)
        centres = np.array([pocket.centre for pocket in found.pockets]).reshape(-1, 3)
        atoms = np.zeros(0, np.float32) if found.atoms is None else found.atoms
        made = SitePrediction(found.probability, centres, time.perf_counter() - started, atoms)
        if path is not None:
            _write(made, path, key)
        return made

    def _key(self, protein: Protein) -> str:
        from plait import __version__

        settings = json.dumps(dataclasses.asdict(self.settings))
        content = (protein.position.tobytes(), protein.residue_type.tobytes(), "".join(protein.atom_name).encode())
        return short_digest(__version__.encode(), self.model.digest.encode(), settings.encode(), *content)


def _read(path: Path, key: str) -> SitePrediction | None:
    """What is kept, if it is whole and was made from the same."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                return None
            return SitePrediction(arrays["probability"], arrays["centres"], float(arrays["seconds"]), arrays["atoms"])
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None


def _write(prediction: SitePrediction, path: Path, key: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    np.savez_compressed(data, key=np.array(key), **dataclasses.asdict(prediction))
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(data.getvalue())
    os.replace(beside, path)
