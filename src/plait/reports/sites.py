"""Everything that the binding sites of a protein leave behind, in one folder."""

import datetime
import time
from pathlib import Path

import numpy as np

from plait.reports.folder import RECORD, staged
from plait.reports.page_parts import card_lines, rounded, write_html
from plait.reports.run_record import versions, write_run_record
from plait.reports.scales import ABSENT, hexadecimal
from plait.reports.tables import write_table
from plait.structure.writing import write_structure

SITE_FILES = ("sites.csv", "pockets.csv", "report.html", "structure.cif", RECORD)

ATOM_FILE = "atoms.csv"
"""Beside those, where atoms were asked for."""

PROBABILITY_COLOURS = "YlGnBu"
"""matplotlib's name: from pale (0) to dark (1), ordered by lightness, so it is read without hue."""


def write_sites(result, folder: str | Path) -> Path:
    """Write a `SiteResult` into a folder: sites.csv, pockets.csv, report.html, structure.cif and run.json.

    All files or none: they are written beside the folder and moved into it. Other files there are left alone.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    with staged(folder) as place:
        started = time.perf_counter()
        write_table(result.table, place / "sites.csv")
        write_table(result.pocket_table, place / "pockets.csv")
        if result.atom_table is not None:
            write_table(result.atom_table, place / ATOM_FILE)
        write_structure(result.protein, place / "structure.cif", values=result.probability)
        write_sites_page(result, place / "report.html", structure=place / "structure.cif")
        seconds = {**result.timings, "write": time.perf_counter() - started}
        write_run_record(_record(result, seconds), place / RECORD)
    return folder


def write_sites_page(result, path: str | Path, *, structure: str | Path | None = None) -> Path:
    """Write the page of a `SiteResult`: one HTML file that opens without a network.

    Parameters
    ----------
    structure : path, optional
        The coloured structure as mmCIF, for the 3D view.
    """
    kind = f" of {result.partner.in_words}" if result.partner.name else ""
    title = f"Binding sites{kind}: {result.protein.source or 'structure'}"
    data = sites_page_data(result)
    return write_html(path, "sites.html", title=title, script="sites.js", data=data, structure=structure)


def sites_page_data(result) -> dict:
    """What the page's script shows, as plain values."""
    import plait

    protein, model = result.protein, result.model
    pocket_of = np.zeros(len(protein), np.int64)
    for pocket in reversed(result.pockets):  # a residue of several pockets is shown with the best
        pocket_of[pocket.residues] = pocket.rank
    return {
        "version": plait.__version__,
        "model": {"name": model.name, "digest": model.digest or "", "card": card_lines(model.card)},
        "meaning": result.meaning,
        "threshold": result.settings.threshold,
        "colours": hexadecimal(PROBABILITY_COLOURS),
        "absent": ABSENT,
        "chains": [_chain(result, chain, pocket_of) for chain in protein.chains],
        "pockets": [
            {
                "rank": pocket.rank,
                "score": round(pocket.score, 4),
                "centre": rounded(pocket.centre, 3),
                "residues": row.residues.split(),
                "probability": rounded([row.probability], 4)[0],
            }
            for pocket, row in zip(result.pockets, result.pocket_table.itertuples(), strict=True)
        ],
        "remarks": [[one.kind, one.place, one.text] for one in result.remarks],
    }


def _chain(result, chain: str, pocket_of: np.ndarray) -> dict:
    protein = result.protein
    at = np.flatnonzero(protein.chain == chain)
    return {
        "name": chain,
        "numbers": protein.author_number[at].tolist(),
        "codes": protein.insertion_code[at].tolist(),
        "names": protein.residue_name[at].tolist(),
        "positions": (protein.sequence_index[at] + 1).tolist(),
        "probability": rounded(result.probability[at], 4),
        "pockets": [int(rank) or None for rank in pocket_of[at]],
    }


def _record(result, seconds: dict[str, float]) -> dict:
    protein, model = result.protein, result.model
    return {
        "command": "plait sites",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": {"name": model.name, "digest": model.digest or None, "card": model.card},
        "sites": {
            "meaning": result.meaning,
            "partner": result.partner.name or None,
            "settings": vars(result.settings),
            "predicted_residues": int(result.predicted.sum()),
            "pockets": len(result.pockets),
        },
        "input": {
            **result.source,
            "chains": [{"chain": name, "residues": count} for name, count in protein.chain_lengths.items()],
            "predicted": bool(protein.predicted),
        },
        "arguments": result.arguments,
        "rows": len(result.table),
        "left_out": [{"kind": one.kind, "place": one.place, "text": one.text} for one in result.remarks],
        "seed": None,
        "seed_note": "nothing is drawn: the same input gives the same sites",
        "versions": versions(),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "files": [*SITE_FILES, *(() if result.atom_table is None else (ATOM_FILE,))],
    }
