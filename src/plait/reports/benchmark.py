"""Everything that a benchmark on mutational scans leaves behind, in one folder."""

import datetime
from pathlib import Path

from plait.reports.benchmark_page import DEFINITIONS, page
from plait.reports.benchmark_plot import write_benchmark_plot
from plait.reports.folder import RECORD, staged
from plait.reports.run_record import versions, write_run_record
from plait.reports.tables import write_table
from plait.tasks.metrics import RANKING_METRICS

PAGE, PICTURE = "summary.md", "benchmark.png"


def write_benchmark(result, folder: str | Path, *, beside: tuple[str, ...] = (), command: str = "") -> Path:
    """Write a `DmsBenchmark` into a folder: tables, picture, page and record.

    `assays.csv` has a row an assay and model, `summary.csv` one a metric, model and average; `spearman.csv`, `ndcg.csv`
    and `top_recall.csv` have a row an assay and a column a model, published ones too, as `published_*.csv` do. All
    files or none; other files there are left alone.

    Parameters
    ----------
    beside : tuple of str
        Published models that get a column of their own on the page.
    command : str
        How the benchmark was called, for the page and the record.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    with staged(folder) as place:
        write_table(result.assays, place / "assays.csv")
        write_table(result.summary, place / "summary.csv")
        for metric in RANKING_METRICS:
            write_table(result.wide(metric).rename_axis(index="DMS_id").reset_index(), place / f"{metric}.csv")
        write_benchmark_plot(result, place / PICTURE)
        text = page(result, beside) + f"\n![Spearman correlations]({PICTURE})\n"
        if command:
            text += f"\nMade by `{command}`.\n"
        (place / PAGE).write_text(text, encoding="utf-8")
        files = sorted([path.name for path in place.iterdir()] + [RECORD])
        write_run_record(_record(result, command, files), place / RECORD)
    return folder


def _record(result, command: str, files: list[str]) -> dict:
    means = result.summary[(result.summary["metric"] == "spearman") & (result.summary["average"] == "mean")]
    return {
        "command": command or "plait benchmark dms",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "models": result.models,
        "mean_spearman": {
            one["model"]: round(one["value"], 4) for one in means.to_dict("records") if one["model"] in result.models
        },
        "input": result.arguments,
        "meaning": DEFINITIONS,
        "failed": [
            {"assay": one.assay, "model": one.model or None, "error": str(one.error)} for one in result.failures
        ],
        "versions": versions(),
        "files": files,
    }
