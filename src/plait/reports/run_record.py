"""`run.json`: what was run on what, with which versions, what the numbers mean and what was left out."""

import datetime
import importlib.metadata
import json
import platform
from pathlib import Path

from plait.reports.folder import RECORD
from plait.tasks.mutation_effects import PERCENTILE, SENSITIVITY

FILES = ("scores.csv", "heatmap.png", "report.html", "structure.cif", RECORD)


def run_record(result) -> dict:
    """The record of a `ScoreResult` as plain values."""
    protein, model = result.protein, result.model
    lengths = protein.chain_lengths
    return {
        "command": "plait score",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": {
            "name": model.name,
            "digest": getattr(model, "digest", None) or None,
            "members": [member.name for member in getattr(model, "members", ())] or None,
            "card": model.card,
        },
        "score": {
            "meaning": result.meaning,
            "sensitivity": SENSITIVITY,
            "percentile": PERCENTILE,
            "spread": result.spread_meaning,
            "numbering": result.numbering,
            "multi": result.multi,
        },
        "input": {
            **result.source,
            "chains": [{"chain": name, "residues": count} for name, count in lengths.items()],
            "predicted": bool(protein.predicted),
        },
        "alignment": result.alignment_facts,
        "arguments": result.arguments,
        "rows": len(result.table),
        "left_out": [{"kind": one.kind, "place": one.place, "text": one.text} for one in result.remarks],
        "seed": None,
        "seed_note": "nothing is drawn: the same input gives the same scores",
        "versions": versions(),
        "seconds": {name: round(seconds, 3) for name, seconds in result.timings.items()},
        "files": list(FILES),
    }


def write_run_record(record: dict, path: str | Path) -> Path:
    """Write a record as JSON."""
    path = Path(path)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    return path


def finished(folder: str | Path, result_of: dict, files: tuple[str, ...] = FILES) -> bool:
    """Whether `folder` holds a complete run with the same input, arguments, model and version.

    Parameters
    ----------
    result_of : dict
        What must agree: dotted keys of the record and their values.
    files : tuple of str
        What a complete run has left.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not all((folder / name).is_file() for name in files):
        return False
    for key, expected in result_of.items():
        value = record
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value != expected:
            return False
    return True


def versions() -> dict[str, str | None]:
    """Versions of plait, Python and the packages that results may depend on."""
    import plait

    return {
        "plait": plait.__version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "numpy", "gemmi", "biotite", "pandas", "matplotlib")},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
