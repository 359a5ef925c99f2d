"""What models there are: bundled with the package, and in the hub's cache on this machine."""

import json
from pathlib import Path

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
DEFAULT = "plait-braid"
"""The model that is used where none is named."""


def bundled() -> dict[str, Path]:
    """Folders of the bundled models by name."""
    return {path.parent.name: path.parent for path in sorted(WEIGHTS.glob("*/model.json"))}


def cached() -> dict[str, Path]:
    """Snapshots of ProSST models in the hub's cache, by hub id."""
    from huggingface_hub.constants import HF_HUB_CACHE

    found = {}
    for config in sorted(Path(HF_HUB_CACHE).glob("models--*/snapshots/*/config.json")):
        try:
            kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
        except (OSError, ValueError):
            continue
        if kind == "ProSST":
            found[config.parents[2].name.removeprefix("models--").replace("--", "/")] = config.parent
    return found


def models() -> list[dict]:
    """One record per model: name, kind (bundled, cached), where, bytes, parameters, members, trained_on, licence,
    default.

    Of an ensemble, bytes and parameters are those of its members together, also of those that stand beside it and are
    models by themselves. Parameters are None where a card does not say.
    """
    records = []
    for kind, folders in (("bundled", bundled()), ("cached", cached())):
        for name, folder in folders.items():
            record = _record(folder)
            card, members = record.get("card", {}), [str(one) for one in record.get("members") or ()]
            places = {one: member_folder(folder, one) for one in members}
            records.append(
                {
                    "name": name,
                    "kind": kind,
                    "where": str(folder),
                    "bytes": sum(file.stat().st_size for file in _files(folder, *filter(None, places.values()))),
                    "parameters": _parameters([_record(one) for one in places.values()] if members else [record]),
                    "members": members,
                    "trained_on": card.get("trained_on", ""),
                    "licence": card.get("licence", ""),
                    "default": name == DEFAULT,
                }
            )
    return records


def member_folder(folder: Path, name: str) -> Path | None:
    """The folder of a member of an ensemble: within the ensemble's own, or beside it as the bundled ones are."""
    places = (folder / name, folder.parent / name)
    return next((place for place in places if (place / "model.safetensors").is_file()), None)


def _files(*folders: Path) -> set[Path]:
    return {file for folder in folders for file in folder.rglob("*") if file.is_file()}


def _record(folder: Path | None) -> dict:
    """The content of a folder's model.json; empty where there is none."""
    if folder is None or not (folder / "model.json").is_file():
        return {}
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def _parameters(records: list[dict]) -> int | None:
    counts = [record.get("card", {}).get("parameters") for record in records]
    return None if None in counts else sum(counts)
