"""What a benchmark leaves in its folder: tables that say the same as the result, a picture, a page, a record."""

import json
import re
import types

import numpy as np
import pandas as pd
import pytest
from scans import write_scans

from plait.errors import InputError
from plait.reports import benchmark
from plait.reports.benchmark import write_benchmark
from plait.reports.benchmark_page import page
from plait.reports.benchmark_plot import draw_benchmark
from plait.tasks.dms_benchmark import benchmark_dms


def partly(protein):
    """Scores of the first half of a chain."""
    scores = np.random.default_rng(0).normal(size=(len(protein), 20)).astype(np.float32)
    scores[len(protein) // 2 :] = np.nan
    return scores


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = write_scans(tmp_path_factory.mktemp("reports") / "scans")
    (folder / "assays" / "yield.csv").write_text("mutant,DMS_score\nM1A,much\n")
    return folder


@pytest.fixture(scope="module")
def result(scans):
    model = types.SimpleNamespace(name="a|b $x$", digest="1", score_matrix=partly)
    return benchmark_dms(scans, [model, "blosum62"], resamples=50)


def rows_of(text: str, heading: str) -> list[list[str]]:
    table = re.search(rf"^## {heading}$.*?(^\|.*?)\n(?!\|)", text, flags=re.MULTILINE | re.DOTALL)[1]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]


def test_the_folder(result, tmp_path):
    out = write_benchmark(result, tmp_path / "out", command="plait benchmark dms --data x")
    tables = ["assays.csv", "ndcg.csv", "spearman.csv", "summary.csv", "top_recall.csv"]
    names = sorted([*tables, "benchmark.png", "run.json", "summary.md"])
    assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    wide = pd.read_csv(out / "spearman.csv", index_col="DMS_id")
    np.testing.assert_allclose(wide, result.wide("spearman"), atol=5e-5)  # four decimals
    assert list(wide.columns) == list(result.wide("spearman").columns)
    assert len(pd.read_csv(out / "assays.csv")) == len(result.assays) == 8
    record = json.loads((out / "run.json").read_text())
    assert record["files"] == names
    assert list(record["models"]) == ["a|b $x$", "blosum62"]
    assert record["failed"][0]["assay"] == "yield"
    assert record["input"]["seed"] == 0
    assert set(record["input"]["digests"]) == {"growth", "yield", "fold"}


def test_tables_can_be_published_values_of_the_next_benchmark(result, scans, tmp_path):
    out = write_benchmark(result, tmp_path / "out")
    again = write_scans(tmp_path / "scans", published=False)
    (again / "published_spearman.csv").write_bytes((out / "spearman.csv").read_bytes())
    model = types.SimpleNamespace(name="new", digest="2", score_matrix=partly)
    found = benchmark_dms(again, [model], resamples=10).wide("spearman")
    assert (found["new"] - found["a|b $x$"]).abs().max() < 1e-4


def test_the_page_shows_what_the_tables_hold(result):
    text = page(result, beside=("Poor",))
    averages = rows_of(text, "Averages")
    assert [row[0] for row in averages[2:]] == [
        f"**{name}**".replace("|", "\\|") if name in result.models else name.replace("|", "\\|")
        for name in result.order
    ]
    assert all(len(row) == len(averages[0]) for row in averages)
    means = result.summary.set_index(["metric", "model", "average"])
    blosum = next(row for row in averages if row[0] == "**blosum62**")
    assert blosum[2].startswith(f"{means.loc[('spearman', 'blosum62', 'mean'), 'value']:.3f} ± ")
    assays = rows_of(text, "Each assay")
    assert assays[0][3:] == ["a\\|b $x$", "blosum62", "Poor", "published: median", "best"]
    fold = next(row for row in assays if row[0] == "fold")
    assert fold[4] == f"{result.wide('spearman').loc['fold', 'blosum62']:.3f}"
    assert fold[5:] == ["0.200", "0.500", "0.800 (Great\\|one)"]
    assert "yield: " in text.split("## What failed")[1]
    assert re.search(r"scored \d+ of \d+ mutants of growth", text)
    assert "fewer than" not in text


def test_fewer_assays_are_said(scans):
    model = types.SimpleNamespace(name="m", digest="", score_matrix=partly)

    def only_one(protein):
        if protein.source.startswith("twin"):
            raise InputError("no")
        return partly(protein)

    other = types.SimpleNamespace(name="other", digest="", score_matrix=only_one)
    text = page(benchmark_dms(scans, [model, other], resamples=10))
    assert "Over fewer than the 2 assays, so not comparable with the others: other." in text


def test_the_picture_has_every_model_and_assay(result):
    left, right = draw_benchmark(result).axes
    assert {label.get_text() for label in left.get_yticklabels()} == set(result.order)
    assert [label.get_text() for label in right.get_yticklabels()] == [
        "fold (Expression)",
        "growth (OrganismalFitness)",
    ]
    bold = {label.get_text() for label in left.get_yticklabels() if label.get_fontweight() == "bold"}
    assert bold == set(result.models)


def test_without_published_values(tmp_path):
    scans = write_scans(tmp_path / "scans", published=False)
    result = benchmark_dms(scans, ["random"], resamples=10)
    text = (write_benchmark(result, tmp_path / "out") / "summary.md").read_text()
    assert "published: median" not in text
    assert "What failed" not in text


def test_nothing_half_written(result, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(benchmark, "write_run_record", full)
    with pytest.raises(InputError, match="No space left"):
        write_benchmark(result, tmp_path / "out")
    assert not list(tmp_path.iterdir())
