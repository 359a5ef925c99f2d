"""What all pages are made with: a template that is filled once, and plain values that are safe inside it."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PARTS = Path(__file__).resolve().parent


def write_html(path: str | Path, template: str, *, title: str, script: str, data: dict, structure=None) -> Path:
    """Write a page that opens without a network.

    Parameters
    ----------
    template, script : str
        Names of files beside this one; `shared.js` stands before the script.
    data : dict
        What the script shows, as plain values.
    structure : path, optional
        The coloured structure as mmCIF, for the 3D view.
    """
    parts = {
        "title": html.escape(title),
        "style": (PARTS / "page.css").read_text(encoding="utf-8"),
        "viewer": (PARTS / "vendor" / "3Dmol-min.js").read_text(encoding="utf-8"),
        "script": "".join((PARTS / name).read_text(encoding="utf-8") for name in ("shared.js", script)),
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
        lines.append([_spaced(key), _words(value)])
    return lines


def _words(value) -> str:
    """A card's value for a reader: what is nested has a line for each group, which begins with the group's name."""
    if isinstance(value, dict):
        return "\n".join(f"{', '.join(place)}: {text}" if place else text for place, text in _groups(value, ()))
    return _plain(value)


def _groups(values: dict, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    own = [f"{_spaced(name)} {_plain(value)}" for name, value in values.items() if _is_said(value)]
    if own:
        yield place, "; ".join(own)
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _groups(value, (*place, _spaced(name)))


def _is_said(value) -> bool:
    return not isinstance(value, dict) and value not in (None, "", [])


def _plain(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return str(value)


def _spaced(name) -> str:
    return str(name).replace("_", " ")


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
