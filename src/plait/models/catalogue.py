"""What models there are: bundled with the package, and in the hub's cache on this machine."""

import json
from pathlib import Path

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
DEFAULT = "plait-small"
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
    """One record per model: name, kind (bundled, cached), where, bytes, trained_on, licence, default."""
    records = []
    for kind, folders in (("bundled", bundled()), ("cached", cached())):
        for name, folder in folders.items():
            card = {}
            if (folder / "model.json").is_file():
                card = json.loads((folder / "model.json").read_text(encoding="utf-8")).get("card", {})
            records.append(
                {
                    "name": name,
                    "kind": kind,
                    "where": str(folder),
                    "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
                    "trained_on": card.get("trained_on", ""),
                    "licence": card.get("licence", ""),
                    "default": name == DEFAULT,
                }
            )
    return records
