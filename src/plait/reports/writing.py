"""Everything that a scored protein leaves behind, in one folder."""

import dataclasses
import time
from pathlib import Path

from plait.reports.folder import RECORD, staged
from plait.reports.heatmap import write_heatmap
from plait.reports.page import write_page
from plait.reports.run_record import run_record, write_run_record
from plait.reports.tables import write_table
from plait.structure.writing import write_structure


def write(result, folder: str | Path) -> Path:
    """Write a `ScoreResult` into a folder: scores.csv, heatmap.png, report.html, structure.cif and run.json.

    A `SiteResult` is written as `plait.reports.sites.write_sites` does. All files or none: they are written beside the
    folder and moved into it. Other files there are left alone.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    if hasattr(result, "pockets"):
        from plait.reports.sites import write_sites

        return write_sites(result, folder)
    folder = Path(folder)
    with staged(folder) as place:
        seconds = dict(result.timings)
        for name, make in (
            ("write table", lambda: write_table(result.table, place / "scores.csv")),
            ("draw picture", lambda: write_heatmap(result, place / "heatmap.png")),
            (
                "write structure",
                lambda: write_structure(result.protein, place / "structure.cif", values=result.sensitivity),
            ),
            ("write page", lambda: write_page(result, place / "report.html", structure=place / "structure.cif")),
        ):
            started = time.perf_counter()
            make()
            seconds[name] = time.perf_counter() - started
        write_run_record(run_record(dataclasses.replace(result, timings=seconds)), place / RECORD)
    return folder
