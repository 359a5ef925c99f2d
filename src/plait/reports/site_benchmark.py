"""Everything that a benchmark on binding sites leaves behind, in one folder."""

import datetime
from pathlib import Path

from plait.reports.folder import RECORD, staged
from plait.reports.markdown import cell, table_head
from plait.reports.run_record import versions, write_run_record
from plait.reports.tables import write_table
from plait.tasks.site_averages import PER_PROTEIN

PAGE = "summary.md"
DEFINITIONS = (
    "IoU: residues both predicted and true over those either, per protein, mean over proteins; at the model's own "
    "threshold, and at 0.5. Atoms: predicted where their residue is, true by their own distance. AUROC, AUPRC, MCC: "
    "mean over proteins, and pooled over all residues. DCA: the centre of a pocket is within 4 angstrom of a ligand's "
    "atom; DCC: of the mean of its heavy atoms. Top 1, top 3: among so many pockets; top n, top n+2: among as many "
    "as the structure has ligands, and two more (P2Rank's). Share of ligands; per protein: each ligand weighs one over "
    "the number in its structure. In brackets: 95 % interval by bootstrap, clusters of 30 % identity drawn with "
    "replacement, each with all its proteins."
)
RESIDUES = (
    ("IoU", "iou"), ("IoU at 0.5", "iou_half"), ("atom IoU", "atom_iou"), ("AUROC", "auroc"), ("AUPRC", "auprc"),
    ("MCC", "mcc"), ("F1", "f1"), ("AUROC, pooled", "auroc_pooled"), ("AUPRC, pooled", "auprc_pooled"),
    ("MCC, pooled", "mcc_pooled"),
)  # fmt: skip
POCKETS = (("top 1", "top1"), ("top 3", "top3"), ("top n", "topn"), ("top n+2", "topn2"))


def write_site_benchmark(result, folder: str | Path, *, command: str = "") -> Path:
    """Write a `SiteBenchmark` into a folder: proteins.csv, ligands.csv, summary.csv, summary.md and run.json.

    All files or none; other files there are left alone.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    with staged(folder) as place:
        for name in ("proteins", "ligands", "summary"):
            write_table(getattr(result, name), place / f"{name}.csv")
        text = site_page(result) + (f"\nMade by `{command}`.\n" if command else "")
        (place / PAGE).write_text(text, encoding="utf-8")
        files = sorted([path.name for path in place.iterdir()] + [RECORD])
        write_run_record(_record(result, command, files), place / RECORD)
    return folder


def site_page(result) -> str:
    """The Markdown page of a `SiteBenchmark`."""
    from plait import __version__

    lines = ["# Binding sites: " + ", ".join(map(cell, result.models)), ""]
    lines += [f"Complexes in `{result.arguments['data']}`, plait {__version__}; ligands are not shown to models.", ""]
    lines += table_head(["model", "digest", "threshold", "what"])
    for name, one in result.models.items():
        threshold = one["settings"]["threshold"]
        lines.append(f"| {cell(name)} | {one['digest'] or ''} | {threshold:.3g} | {cell(one['summary'])} |")
    for split in dict.fromkeys(result.summary["split"]):
        lines += ["", f"## {split}", "", *_split(result, split)]
    lines += ["", DEFINITIONS]
    if result.failures:
        lines += ["", "## What failed", ""]
        lines += [f"- {one.entry}{f', {one.model}' if one.model else ''}: {cell(one.error)}" for one in result.failures]
    return "\n".join(lines) + "\n"


def _split(result, split: str) -> list[str]:
    cells = result.summary[result.summary["split"] == split].set_index(["metric", "model"])
    own = result.proteins[result.proteins["split"] == split].drop_duplicates("entry")
    ligands = result.ligands[result.ligands["split"] == split]
    ligands = len(ligands) // len(result.models)
    residues, share = own["residues"].sum(), own["binding"].sum() / own["residues"].sum()
    first, *others = result.models
    lines = [
        f"{len(own)} complexes of {own['cluster'].nunique()} clusters, {ligands} ligands; "
        f"{residues:,} residues, of which {share:.1%} bind (within {result.arguments['cutoff']:g} angstrom).",
        "",
    ]
    beyond = [f"{cell(name)} beyond {cell(first)}" for name in others]
    lines += table_head(["residues", *map(cell, result.models), *beyond])
    for title, metric in RESIDUES:
        lines.append(_row(title, metric, cells, result.models, others))
    for title, suffix in (("share of ligands", ""), ("per protein", "_protein")):
        lines += ["", *table_head([f"pockets, {title}", *map(cell, result.models), *beyond])]
        for kind in ("dca", "dcc"):
            for top, name in POCKETS:
                row = _row(f"{kind.upper()} {top}", f"{kind}_{name}{suffix}", cells, result.models, others)
                lines.append(row)
    return lines


def _row(title: str, metric: str, cells, models, others) -> str:
    row = [title]
    for name in models:
        one = cells.loc[(metric, name)]
        row.append(f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]")
    for name in others:
        one = cells.loc[(metric, name)]
        row.append(f"{one['difference']:+.3f} [{one['difference_low']:+.3f}, {one['difference_high']:+.3f}]")
    return "| " + " | ".join(row) + " |"


def _record(result, command: str, files: list[str]) -> dict:
    shown = (*PER_PROTEIN, "dca_top3", "dcc_top3", "dca_topn", "dcc_topn")
    rows = result.summary[result.summary["metric"].isin(shown)].to_dict("records")
    values: dict[str, dict] = {}
    for row in rows:
        values.setdefault(row["split"], {}).setdefault(row["model"], {})[row["metric"]] = round(row["value"], 4)
    return {
        "command": command or "plait benchmark sites",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "models": result.models,
        "values": values,
        "input": result.arguments,
        "meaning": DEFINITIONS,
        "failed": [
            {"entry": one.entry, "model": one.model or None, "error": str(one.error)} for one in result.failures
        ],
        "versions": versions(),
        "files": files,
    }
