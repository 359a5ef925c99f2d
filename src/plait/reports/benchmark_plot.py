"""The picture of a benchmark on mutational scans: averages of all models, and every assay."""

import warnings
from pathlib import Path

from plait.reports.heatmap import MOST_PIXELS

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's colours, told apart by the colour-blind; the models that were run take them in turn."""

MARKERS = "osD^vP"  # beside the colours, so that more models than colours differ
PUBLISHED = "#9a9a9a"
ROW = 0.19
"""Height of a model's or an assay's row in inches."""

DPI = 130


def write_benchmark_plot(result, path: str | Path, metric: str = "spearman") -> Path:
    """Draw a `DmsBenchmark` as PNG."""
    figure = draw_benchmark(result, metric)
    width, height = figure.get_size_inches()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a model's name in a script without a font
        figure.savefig(path, format="png", dpi=min(DPI, (MOST_PIXELS / (width * height)) ** 0.5))
    return Path(path)


def draw_benchmark(result, metric: str = "spearman"):
    """The matplotlib Figure: means with standard errors on the left, values of each assay on the right."""
    from matplotlib.figure import Figure

    names = {"spearman": "Spearman correlation", "ndcg": "NDCG of the best tenth", "top_recall": "top-10 % recall"}
    means = result.summary[(result.summary["metric"] == metric) & (result.summary["average"] == "mean")]
    means = means.sort_values("value", ascending=False, kind="stable")
    wide = result.wide(metric)
    selection = result.assays.drop_duplicates("assay").set_index("assay")["selection"]
    assays = sorted(wide.index, key=lambda assay: (selection[assay], assay))
    styles = {
        name: (COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
        for number, name in enumerate(result.models)
    }
    height = 1.3 + ROW * max(len(means), len(assays), 8)
    figure = Figure(figsize=(13, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _means(left, means, styles)
    left.set_xlabel(f"mean {names[metric]} over {len(assays)} assays, bars: standard error over proteins", fontsize=8)
    _assays(right, wide.loc[assays], [selection[assay] for assay in assays], styles, result)
    right.set_xlabel(names[metric], fontsize=8)
    for axes in (left, right):
        axes.tick_params(labelsize=7)
        axes.grid(axis="x", color="#e5e5e5", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _means(axes, means, styles) -> None:
    for row, record in enumerate(means.to_dict("records")):
        colour, marker = styles.get(record["model"], (PUBLISHED, "o"))
        error = record["standard_error"] if record["standard_error"] == record["standard_error"] else 0
        axes.errorbar(record["value"], row, xerr=error, fmt=marker, color=colour, markersize=5, elinewidth=1)
    axes.set_yticks(range(len(means)), list(means["model"]), parse_math=False)
    axes.set_ylim(len(means) - 0.5, -0.5)
    for label in axes.get_yticklabels():
        if label.get_text() in styles:
            label.set_color(styles[label.get_text()][0])
            label.set_fontweight("bold")


def _assays(axes, wide, selections, styles, result) -> None:
    rows = range(len(wide))
    published = [name for name in wide.columns if name not in styles]
    for name in published:
        axes.scatter(wide[name], rows, s=9, color=PUBLISHED, alpha=0.45, linewidths=0)
    if published:
        axes.scatter(wide[published].median(axis=1), rows, s=55, marker="|", color="#555555", label="published: median")
        axes.scatter([], [], s=9, color=PUBLISHED, label="published: each")
    for name, (colour, marker) in styles.items():
        if name in wide:
            axes.scatter(wide[name], rows, s=24, color=colour, marker=marker, label=name, alpha=0.9, linewidths=0)
    for row in rows:
        if row and selections[row] != selections[row - 1]:
            axes.axhline(row - 0.5, color="#bbbbbb", linewidth=0.7)
    labels = [f"{assay} ({selection})" for assay, selection in zip(wide.index, selections)]
    axes.set_yticks(rows, labels, parse_math=False)
    axes.set_ylim(len(wide) - 0.5, -0.5)
    handles, names = axes.get_legend_handles_labels()
    legend = axes.legend(handles, names, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
