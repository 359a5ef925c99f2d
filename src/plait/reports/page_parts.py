"""What all pages are made with: a template that is filled once, and plain values that are safe inside it."""

import html
import json
import re
from pathlib import Path

import numpy as np

PARTS = Path(__file__).resolve().parent


def write_html(path: str | Path, template: str, *, title: str, script: str, data: dict, structure=None) -> Path:
    """Write a page that opens without a network.

    Parameters
    ----------
    template, script : str
        Names of files beside this one.
    data : dict
        What the script shows, as plain values.
    structure : path, optional
        The coloured structure as mmCIF, for the 3D view.
    """
    parts = {
        "title": html.escape(title),
        "style": (PARTS / "page.css").read_text(encoding="utf-8"),
        "viewer": (PARTS / "vendor" / "3Dmol-min.js").read_text(encoding="utf-8"),
        "script": (PARTS / script).read_text(encoding="utf-8"),
        "data": safe_json(data),
        "structure": safe_json(Path(structure).read_text(encoding="utf-8") if structure else None),
    }
    # One pass over the template: what is put in is never looked at for places.
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (PARTS / template).read_text(encoding="utf-8"))
    path = Path(path)
    path.write_text(text, encoding="utf-8")
    return path


def card_lines(card: dict) -> list[list[str]]:
    """The model's card as lines of a table."""
    lines = []
    for key, value in card.items():
        if value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        lines.append([str(key).replace("_", " "), text])
    return lines


def rounded(values: np.ndarray, decimals: int) -> list:
    """Rounded numbers as (nested) lists, None where absent."""
    values = np.round(np.asarray(values, np.float64), decimals) + 0.0
    listed = values.astype(object)
    listed[~np.isfinite(values)] = None
    return listed.tolist()


def safe_json(value) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
