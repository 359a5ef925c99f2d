"""The tables of a benchmark on mutational scans: a row an assay and model, and the averages."""

import numpy as np

from plait.data.assays import Assay
from plait.tasks.assay_averages import MEAN, Layout, averages
from plait.tasks.metrics import RANKING_METRICS


def published_names(published: dict) -> set[str]:
    """Names of the models in tables of published values by metric (None where there is no table)."""
    return {name for table in published.values() if table is not None for name in table.columns}


def assay_table(assays: list[Assay], rows: list[dict], published: dict):
    """A pandas table with a row an assay and model, assays in the folder's order; those without a row are left out.

    Parameters
    ----------
    assays : list of Assay
    rows : list of dict
        `assay`, `model`, `mutants`, `scored`, the metrics and `seconds`, for each that was scored.
    published : dict of str to pandas.DataFrame [assays, models] or None
        Published values by metric.
    """
    import pandas

    done = {row["assay"] for row in rows}
    described = pandas.DataFrame(
        [
            {"assay": assay.id, "protein": assay.protein, "selection": assay.selection}
            for assay in assays
            if assay.id in done
        ]
    )
    ours = pandas.DataFrame(rows).assign(published=False)
    theirs = {
        metric: table.rename_axis(index="assay", columns="model").stack().rename(metric)
        for metric, table in published.items()
        if table is not None
    }
    tables = [ours]
    if theirs:
        tables.append(pandas.concat(theirs.values(), axis=1).dropna(how="all").reset_index().assign(published=True))
    table = described.merge(pandas.concat(tables, ignore_index=True), on="assay", how="left")
    metrics = list(RANKING_METRICS)
    columns = ["assay", "protein", "selection", "model", "published", "mutants", "scored", *metrics, "seconds"]
    return table.reindex(columns=columns).astype({"mutants": "Int64", "scored": "Int64"})


def summary_table(table, first: str, seed: int, resamples: int):
    """Averages of every metric and model of an assay table, best mean Spearman correlation first.

    Differences are to the model `first`; `seed` and `resamples` are those of the bootstrap.
    """
    import pandas

    described = table.drop_duplicates("assay")
    layout = Layout(described["protein"].to_numpy(str), described["selection"].to_numpy(str))
    published = table.drop_duplicates("model").set_index("model")["published"]
    parts = []
    for metric in RANKING_METRICS:
        values = table.pivot(index="assay", columns="model", values=metric).reindex(described["assay"])
        if first not in values:  # every assay failed with it
            values[first] = np.nan
        found = averages(values, layout, compared_with=first, seed=seed, resamples=resamples)
        parts.append(found.assign(metric=metric))
    summary = pandas.concat(parts, ignore_index=True)
    summary = summary[summary["assays"] > 0]
    means = summary[(summary["metric"] == "spearman") & (summary["average"] == MEAN)].set_index("model")["value"]
    rank = summary["model"].map(means.rank(ascending=False, method="first")).fillna(np.inf)
    summary = summary.assign(published=summary["model"].map(published), rank=rank)
    summary = summary.sort_values(["rank", "model"], kind="stable").drop(columns="rank")
    front = ["model", "published", "metric", "average"]
    return summary[[*front, *(name for name in summary.columns if name not in front)]].reset_index(drop=True)
