"""The page: one HTML file that opens without a network, with heat map, ranked table, sensitivity and 3D view."""

import html
import json
import re
from pathlib import Path

import numpy as np

from plait.reports.scales import (
    ABSENT,
    ROWS,
    SCORE_COLOURS,
    SENSITIVITY_COLOURS,
    hexadecimal,
    score_limit,
    sensitivity_limits,
)
from plait.structure.vocabulary import RESIDUES, UNKNOWN, decode
from plait.tasks.mutation_effects import LOW_CONFIDENCE, LOW_PLDDT, PERCENTILE, SENSITIVITY

PARTS = Path(__file__).resolve().parent
MOST_ROWS = 20_000
"""Rows of the user's mutants that the page shows, best first; the table file has all."""


def write_page(result, path: str | Path, *, structure: str | Path | None = None) -> Path:
    """Write the page of a `ScoreResult`.

    Parameters
    ----------
    structure : path, optional
        The coloured structure as mmCIF, for the 3D view.
    """
    name = result.protein.source or "structure"
    parts = {
        "title": html.escape(f"Mutation effects: {name}"),
        "style": (PARTS / "page.css").read_text(encoding="utf-8"),
        "viewer": (PARTS / "vendor" / "3Dmol-min.js").read_text(encoding="utf-8"),
        "script": (PARTS / "page.js").read_text(encoding="utf-8"),
        "data": _safe_json(page_data(result)),
        "structure": _safe_json(Path(structure).read_text(encoding="utf-8") if structure else None),
    }
    template = (PARTS / "page.html").read_text(encoding="utf-8")
    # One pass over the template: what is put in is never looked at for places.
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)
    path = Path(path)
    path.write_text(text, encoding="utf-8")
    return path


def page_data(result) -> dict:
    """What the page's script shows, as plain values."""
    import plait

    protein, model = result.protein, result.model
    low, high = sensitivity_limits(result.sensitivity)
    return {
        "name": protein.source or "structure",
        "version": plait.__version__,
        "model": {"name": model.name, "digest": getattr(model, "digest", ""), "card": _card(model.card)},
        "meaning": result.meaning,
        "sensitivity": SENSITIVITY,
        "percentile": PERCENTILE,
        "spread": result.spread_meaning,
        "alignment": result.alignment,
        "numbering": result.numbering,
        "rows": ROWS,
        "letters": RESIDUES[:UNKNOWN],
        "colours": {
            "score": hexadecimal(SCORE_COLOURS),
            "sensitivity": hexadecimal(SENSITIVITY_COLOURS),
            "absent": ABSENT,
        },
        "limit": score_limit(result.scores),
        "sensitivity_limits": [low, high],
        "low_plddt": LOW_PLDDT,
        "warnings": [str(one) for one in result.remarks if one.kind == LOW_CONFIDENCE],
        "chains": [_chain(result, chain) for chain in protein.chains],
        "mutants": _mutants(result.table) if result.mutants_given else None,
        "remarks": [[one.kind, one.place, one.text] for one in result.remarks],
    }


def _chain(result, chain: str) -> dict:
    protein = result.protein
    at = np.nonzero(protein.chain == chain)[0]
    return {
        "name": chain,
        "residues": decode(protein.residue_type[at]),
        "numbers": protein.author_number[at].tolist(),
        "codes": protein.insertion_code[at].tolist(),
        "names": protein.residue_name[at].tolist(),
        "positions": (protein.sequence_index[at] + 1).tolist(),
        "scores": _numbers(result.scores[at], 4),
        "percentiles": _numbers(result.percentiles[at], 2),
        "spread": _numbers(result.spread[at], 4) if np.isfinite(result.spread[at]).any() else None,
        "sensitivity": _numbers(result.sensitivity[at], 4),
        "b_factor": _numbers(protein.b_factor[at], 1) if protein.predicted else None,
    }


def _mutants(table) -> dict:
    best = table.sort_values("plait_score", ascending=False, kind="stable").head(MOST_ROWS)
    columns = []
    for name in best:
        numbers = best[name].dtype.kind == "f"
        columns.append(_numbers(best[name].to_numpy(), 4) if numbers else best[name].tolist())
    return {"columns": [str(name) for name in best], "rows": list(zip(*columns)), "total": len(table)}


def _card(card: dict) -> list[list[str]]:
    """The model's card as lines of a table."""
    lines = []
    for key, value in card.items():
        if value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        lines.append([str(key).replace("_", " "), text])
    return lines


def _numbers(values: np.ndarray, decimals: int) -> list:
    """Rounded numbers as (nested) lists, None where absent."""
    rounded = np.round(np.asarray(values, np.float64), decimals) + 0.0
    listed = rounded.astype(object)
    listed[~np.isfinite(rounded)] = None
    return listed.tolist()


def _safe_json(value) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
