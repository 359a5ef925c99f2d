"""The Markdown page of a benchmark on mutational scans: averages, selection types, assays, and what they mean."""

from plait.reports.markdown import cell, table_head
from plait.tasks.assay_averages import AGGREGATED, MEAN

DEFINITIONS = (
    "Spearman: rank correlation of score and measurement, ties by mean rank. NDCG: gains are the measurements scaled "
    "to [0, 1], over the best tenth by score; the mean over all orders where scores are tied. Recall: of the mutants "
    "measured at or above their 90th percentile, the share scored at or above theirs. All as ProteinGym defines them "
    "(Notin et al. 2023); higher is better. Mean: over assays. Aggregated: mean over the assays of a protein and "
    "selection type, then over the proteins of a type, then over types. After ±: standard error by bootstrap, proteins "
    "drawn with replacement; for the aggregate and the selection types within each type, so that a type with one "
    "protein adds none."
)


def page(result, beside: tuple[str, ...] = ()) -> str:
    """The page of a `DmsBenchmark`.

    Parameters
    ----------
    result : DmsBenchmark
    beside : tuple of str
        Published models that get a column of their own where assays are listed.
    """
    from plait import __version__

    models = list(result.models)
    described = result.assays.drop_duplicates("assay")
    count = f"{len(described)} assays of {described['protein'].nunique()} proteins"
    lines = [f"# Mutational scans: {_listed(models)}", ""]
    lines += [
        f"{count} in `{result.arguments['data']}`, plait {__version__}. Bold: run here. Others: as published.",
        "",
    ]
    lines += ["| model | digest | what |", "| --- | --- | --- |"]
    lines += [
        f"| {cell(name)} | {one['digest'] or ''} | {cell(one['summary'])} |" for name, one in result.models.items()
    ]
    lines += ["", "## Averages", "", *_averages(result), "", *_notes(result), DEFINITIONS]
    lines += ["", "## By selection type", "", "Mean Spearman correlation over proteins.", "", *_types(result, beside)]
    lines += ["", "## Each assay", "", *_assays(result, beside)]
    if result.failures:
        lines += ["", "## What failed", ""]
        lines += [f"- {one.assay}{f', {one.model}' if one.model else ''}: {cell(one.error)}" for one in result.failures]
    return "\n".join(lines) + "\n"


def _averages(result) -> list[str]:
    first = next(iter(result.models))
    cells = result.summary.set_index(["model", "metric", "average"])
    columns = [
        ("assays", "spearman", MEAN),
        ("mean Spearman", "spearman", MEAN),
        (f"beyond {cell(first)}", "spearman", MEAN),
        ("aggregated Spearman", "spearman", AGGREGATED),
        ("mean NDCG", "ndcg", MEAN),
        ("aggregated NDCG", "ndcg", AGGREGATED),
        ("mean recall", "top_recall", MEAN),
        ("aggregated recall", "top_recall", AGGREGATED),
    ]
    lines = table_head(["model", *(title for title, _, _ in columns)])
    for name in result.order:
        row = [f"**{cell(name)}**" if name in result.models else cell(name)]
        for title, *where in columns:
            if (name, *where) not in cells.index:
                row.append("")
                continue
            one = cells.loc[(name, *where)]
            if title == "assays":
                row.append(str(int(one["assays"])))
            elif title.startswith("beyond"):
                other = name != first
                row.append(_number(one["difference"], one["difference_standard_error"], "+") if other else "")
            else:
                row.append(_number(one["value"], one["standard_error"]))
        lines.append("| " + " | ".join(row) + " |")
    return lines


def _types(result, beside) -> list[str]:
    table = result.summary[result.summary["metric"] == "spearman"]
    types = sorted(set(table["average"]) - {MEAN, AGGREGATED})
    described = result.assays.drop_duplicates("assay")
    assays = described["selection"].value_counts()
    proteins = described.groupby("selection")["protein"].nunique()
    cells = table.set_index(["model", "average"])
    titles = [f"{cell(name)} (assays: {assays[name]}, proteins: {proteins[name]})" for name in types]
    lines = table_head(["model", *titles])
    for name in result.order:
        if name not in result.models and name not in beside:
            continue
        row = [f"**{cell(name)}**" if name in result.models else cell(name)]
        for selection in types:
            found = (name, selection) in cells.index
            one = cells.loc[(name, selection)] if found else None
            row.append(_number(one["value"], one["standard_error"]) if found else "")
        lines.append("| " + " | ".join(row) + " |")
    return lines


def _assays(result, beside) -> list[str]:
    """Spearman correlations of each assay: of the models run, of those named, and of the published ones together."""
    wide = result.wide("spearman")
    described = result.assays.drop_duplicates("assay").set_index("assay")
    mutants = result.assays.groupby("assay")["mutants"].max()
    shown = [name for name in [*result.models, *beside] if name in wide]
    published = [name for name in wide.columns if name not in result.models]
    together = ["published: median", "best"] if published else []
    lines = [
        "Spearman correlation; `ndcg.csv` and `top_recall.csv` have the other two, all with every published model."
    ]
    lines += ["", *table_head(["assay", "selection", "mutants", *map(cell, shown), *together])]
    for assay, values in wide.iterrows():
        row = [cell(assay), cell(described.loc[assay, "selection"]), f"{mutants[assay]:,}"]
        row += [_number(values[name]) for name in shown]
        known = values[published].dropna()
        if published:
            best = f"{known.max():.3f} ({cell(known.idxmax())})" if len(known) else ""
            row += [_number(known.median()), best]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def _notes(result) -> list[str]:
    """What has to be known before columns are compared."""
    lines = []
    wanted = result.assays["assay"].nunique()
    means = result.summary[(result.summary["metric"] == "spearman") & (result.summary["average"] == MEAN)]
    fewer = list(means.loc[means["assays"] < wanted, "model"])
    if fewer:
        lines += [f"Over fewer than the {wanted} assays, so not comparable with the others: {_listed(fewer)}.", ""]
    ours = result.assays[~result.assays["published"].astype(bool)]
    partly = ours[ours["scored"] < ours["mutants"]]
    for one in partly.to_dict("records"):
        lines += [
            f"{cell(one['model'])} scored {one['scored']:,} of {one['mutants']:,} mutants of {one['assay']}.",
            "",
        ]
    other = [assay for assay in result.arguments["not_comparable"] if assay in set(result.assays["assay"])]
    if other:
        lines += [f"Published values are over other mutants than these: {_listed(other)}.", ""]
    return lines


def _number(value, error=None, sign: str = "") -> str:
    if value != value:
        return ""
    return f"{value:{sign}.3f}" + (f" ± {error:.3f}" if error is not None and error == error else "")


def _listed(names) -> str:
    return ", ".join(map(cell, names))
