"""Averages over assays against the data's README, by hand, and errors against their formulas."""

import numpy as np
import pandas as pd
import pytest

from plait.tasks.assay_averages import Layout, averages


def table(values: dict, protein, selection, **options):
    frame = pd.DataFrame(values, dtype=float)
    layout = Layout(np.array(protein, str), np.array(selection, str))
    options = {"compared_with": frame.columns[0], **options}
    return averages(frame, layout, **options).set_index(["model", "average"])


def test_both_averages_are_those_of_the_readme(shared):
    """38 models, mean and aggregate, stated to three digits."""
    folder = shared / "data" / "dms"
    reference = pd.read_csv(folder / "reference.csv").set_index("DMS_id")
    published = pd.read_csv(folder / "published_spearman.csv").set_index("DMS_id").reindex(reference.index)
    layout = Layout(reference["UniProt_ID"].to_numpy(str), reference["coarse_selection_type"].to_numpy(str))
    found = averages(published, layout, compared_with="BLOSUM62", resamples=10).set_index(["model", "average"])
    rows = (folder / "README.md").read_text().split("| --- | --- | --- |\n")[1].split("\n\n")[0].splitlines()
    for row in rows:
        model, mean, aggregated = (cell.strip() for cell in row.strip("| ").split(" | "))
        # half of the last digit, and a little for values that were halved before they were rounded
        assert found.loc[(model, "mean"), "value"] == pytest.approx(float(mean), abs=6e-4)
        assert found.loc[(model, "aggregated"), "value"] == pytest.approx(float(aggregated), abs=6e-4)
    assert len(rows) >= 38


def test_by_hand():
    """Protein P has two assays of activity and one of stability, Q one of activity."""
    found = table({"m": [0.2, 0.4, 0.6, 0.9]}, ["P", "P", "Q", "P"], ["A", "A", "A", "S"], resamples=10)
    assert found.loc[("m", "mean"), "value"] == pytest.approx(2.1 / 4)
    assert found.loc[("m", "A"), "value"] == pytest.approx((0.3 + 0.6) / 2)
    assert found.loc[("m", "S"), "value"] == pytest.approx(0.9)
    assert found.loc[("m", "aggregated"), "value"] == pytest.approx((0.45 + 0.9) / 2)
    assert found.loc[("m", "A"), "assays"] == 3
    assert np.isnan(found.loc[("m", "S"), "standard_error"])  # one protein says nothing of others


def test_standard_errors_are_those_of_the_formula():
    """With one assay a protein the error of a mean tends to the standard deviation over the square root of n.

    10,000 resamples give a standard deviation to 0.7 %; 3 % is four times that.
    """
    generator = np.random.default_rng(1)
    values = generator.normal(0.5, 0.1, 40)
    selection = ["A"] * 30 + ["B"] * 10
    found = table({"m": values}, [f"p{i}" for i in range(40)], selection)
    error = {"mean": values.std() / 40**0.5, "A": values[:30].std() / 30**0.5, "B": values[30:].std() / 10**0.5}
    error["aggregated"] = (error["A"] ** 2 + error["B"] ** 2) ** 0.5 / 2
    for average, expected in error.items():
        assert found.loc[("m", average), "standard_error"] == pytest.approx(expected, rel=0.03)


def test_assays_of_one_protein_do_not_count_as_independent():
    values = np.random.default_rng(2).normal(0.5, 0.1, 20)
    proteins = [f"p{i}" for i in range(20)]
    once = table({"m": values}, proteins, ["A"] * 20)
    twice = table({"m": np.tile(values, 2)}, proteins * 2, ["A"] * 40)
    for average in ("mean", "aggregated"):
        assert twice.loc[("m", average), "standard_error"] == once.loc[("m", average), "standard_error"]


def test_differences_are_paired():
    """A model that is better by the same amount everywhere is better without doubt, however much assays differ."""
    values = np.random.default_rng(3).normal(0.5, 0.2, 12)
    found = table({"m": values, "better": values + 0.1}, [f"p{i}" for i in range(12)], ["A"] * 6 + ["B"] * 6)
    for average in ("mean", "aggregated", "A"):
        row = found.loc[("better", average)]
        assert row["difference"] == pytest.approx(0.1)
        assert row["difference_standard_error"] == pytest.approx(0, abs=1e-12)
        assert row["standard_error"] > 0.01


def test_assays_that_a_model_lacks_are_left_out():
    values = {"m": [0.1, 0.2, 0.6, 0.7], "part": [np.nan, 0.4, np.nan, np.nan], "none": [np.nan] * 4}
    found = table(values, ["P", "Q", "R", "S"], ["A", "A", "B", "B"], resamples=200)
    assert found.loc[("part", "mean"), ["value", "assays", "difference"]].tolist() == pytest.approx([0.4, 1, 0.2])
    assert found.loc[("part", "aggregated"), "value"] == pytest.approx(0.4)
    assert found.loc[("none", "mean"), "assays"] == 0
    assert found.loc["none", "value"].isna().all()


def test_same_seed_same_errors_in_any_order_of_rows():
    generator = np.random.default_rng(4)
    values, proteins, selection = generator.normal(size=9), list("PPQRSTTUV"), list("ABABBAABB")
    order = generator.permutation(9)
    found = table({"m": values}, proteins, selection, seed=5, resamples=50)
    again = table({"m": values[order]}, np.array(proteins)[order], np.array(selection)[order], seed=5, resamples=50)
    pd.testing.assert_frame_equal(found, again, check_exact=False, rtol=1e-12)
    other = table({"m": values}, proteins, selection, seed=6, resamples=50)
    assert not np.allclose(found["standard_error"], other["standard_error"])
