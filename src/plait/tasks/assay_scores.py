"""What a model said of an assay, in a file: the scores of its mutants, and on what they were made.

The file is also the record by which an interrupted benchmark goes on: it counts only for the same content of assay and
structure, the same model and the same version of plait.
"""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np

from plait.errors import InputError

KEY = b"plait"


@dataclasses.dataclass(frozen=True)
class AssayScores:
    """Mutants of an assay with measurement and score.

    Attributes
    ----------
    mutants : list of str
    measured : float64 [N]
    scores : float32 [N]
        NaN where the model has none.
    seconds : float
        What the model took for the whole structure.
    """

    mutants: list[str]
    measured: np.ndarray
    scores: np.ndarray
    seconds: float


def write_assay_scores(scores: AssayScores, made_from: dict, path: Path) -> None:
    """Write scores as Parquet (columns `mutant`, `DMS_score`, `score`), whole or not at all.

    Parameters
    ----------
    made_from : dict of str
        What must be the same for the file to count later; kept in its metadata.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    columns = {"mutant": scores.mutants, "DMS_score": scores.measured, "score": scores.scores}
    record = {"made_from": made_from, "seconds": scores.seconds}
    table = pyarrow.table(columns).replace_schema_metadata({KEY: json.dumps(record)})
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, part)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError("the scores cannot be written", file=path, got=error.strerror or str(error)) from None


def read_assay_scores(path: Path, made_from: dict) -> AssayScores | None:
    """The scores of a file that was made from the same; None if there is none, or it is broken or of something else."""
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
        record = json.loads((table.schema.metadata or {})[KEY])
        if record["made_from"] != made_from:
            return None
        return AssayScores(
            mutants=table["mutant"].to_pylist(),
            measured=table["DMS_score"].to_numpy(),
            scores=table["score"].to_numpy(),
            seconds=record["seconds"],
        )
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException):
        return None
