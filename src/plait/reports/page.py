"""The page: one HTML file that opens without a network, with heat map, ranked table, sensitivity and 3D view."""

from pathlib import Path

import numpy as np

from plait.reports.page_parts import card_lines, rounded, write_html
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

MOST_ROWS = 20_000
"""Rows of the user's mutants that the page shows, best first; the table file has all."""


def write_page(result, path: str | Path, *, structure: str | Path | None = None) -> Path:
    """Write the page of a `ScoreResult`.

    Parameters
    ----------
    structure : path, optional
        The coloured structure as mmCIF, for the 3D view.
    """
    title = f"Mutation effects: {result.protein.source or 'structure'}"
    return write_html(path, "page.html", title=title, script="page.js", data=page_data(result), structure=structure)


def page_data(result) -> dict:
    """What the page's script shows, as plain values."""
    import plait

    protein, model = result.protein, result.model
    low, high = sensitivity_limits(result.sensitivity)
    return {
        "name": protein.source or "structure",
        "version": plait.__version__,
        "model": {"name": model.name, "digest": getattr(model, "digest", ""), "card": card_lines(model.card)},
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
        "scores": rounded(result.scores[at], 4),
        "percentiles": rounded(result.percentiles[at], 2),
        "spread": rounded(result.spread[at], 4) if np.isfinite(result.spread[at]).any() else None,
        "sensitivity": rounded(result.sensitivity[at], 4),
        "b_factor": rounded(protein.b_factor[at], 1) if protein.predicted else None,
    }


def _mutants(table) -> dict:
    best = table.sort_values("plait_score", ascending=False, kind="stable").head(MOST_ROWS)
    columns = []
    for name in best:
        numbers = best[name].dtype.kind == "f"
        columns.append(rounded(best[name].to_numpy(), 4) if numbers else best[name].tolist())
    return {"columns": [str(name) for name in best], "rows": list(zip(*columns)), "total": len(table)}
