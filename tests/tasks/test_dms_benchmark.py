"""The benchmark on mutational scans: right scores, each made once, and nothing lost by what breaks."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest
from scans import SEQUENCE, write_scans
from scipy.stats import spearmanr

from plait.errors import InputError
from plait.models.baselines import BASELINES
from plait.structure.vocabulary import RESIDUES
from plait.tasks.dms_benchmark import benchmark_dms


class Counting:
    """A model of known scores that counts how often it is asked."""

    def __init__(self, name="counting", digest="1", fails=None):
        self.name, self.digest, self.fails, self.asked = name, digest, fails, 0

    def score_matrix(self, protein):
        self.asked += 1
        if self.fails is not None and protein.source.startswith("twin"):
            raise self.fails
        return np.arange(len(protein) * 20, dtype=np.float32).reshape(-1, 20) % 37

    def expected(self, mutants):
        return np.array([((int(m[1:-1]) - 1) * 20 + RESIDUES.index(m[-1])) % 37 for m in mutants], np.float32)


@pytest.fixture
def scans(tmp_path):
    return write_scans(tmp_path / "scans")


def run(scans, *models, **options):
    return benchmark_dms(scans, models, resamples=20, **options)


def test_scores_and_tables(scans, tmp_path):
    model = Counting()
    result = run(scans, model, "blosum62", out=tmp_path / "out")
    assert model.asked == 2  # once a structure, though one has two assays
    assert not result.failures
    for name in ("growth", "yield", "fold"):
        table = pd.read_csv(scans / "assays" / f"{name}.csv")
        kept = parquet.read_table(tmp_path / "out" / "scores" / "counting" / f"{name}.parquet").to_pandas()
        assert kept["mutant"].tolist() == table["mutant"].tolist()
        assert kept["DMS_score"].tolist() == table["DMS_score"].tolist()
        assert kept["score"].tolist() == model.expected(table["mutant"]).tolist()
        row = result.assays.set_index(["assay", "model"]).loc[(name, "counting")]
        expected = spearmanr(kept["score"], table["DMS_score"]).statistic
        assert row["spearman"] == pytest.approx(expected, abs=1e-12)
        assert (row["mutants"], row["scored"]) == (len(table), len(table))
    wide = result.wide("spearman")
    assert list(wide.index) == ["growth", "yield", "fold"]
    assert set(wide.columns) == {"counting", "blosum62", "Great|one", "Poor"}
    assert wide.columns[0] == result.order[0] == "Great|one"
    mean = result.summary.set_index(["metric", "model", "average"]).loc[("spearman", "Poor", "mean")]
    assert (mean["value"], mean["assays"]) == (pytest.approx(0.15), 2)


def test_blosum62_is_the_column_that_the_data_state(shared, tmp_path):
    """Computed by others, stated to three digits: three assays of the shared data."""
    data, small = shared / "data" / "dms", tmp_path / "small"
    small.mkdir()
    for name in ("assays", "structures", "published_spearman.csv"):
        (small / name).symlink_to(data / name)
    names = ["HCP_LAMBD_Tsuboyama_2023_2L6Q", "NRAM_I33A0_Jiang_2016", "TPOR_HUMAN_Bridgford_2020"]
    reference = pd.read_csv(data / "reference.csv", dtype=str, keep_default_na=False)
    reference[reference["DMS_id"].isin(names)].to_csv(small / "reference.csv", index=False)
    wide = run(small, "blosum62").wide("spearman")
    assert sorted(wide.index) == names
    assert (wide["blosum62"] - wide["BLOSUM62"]).abs().max() < 6e-4


def test_what_is_done_is_not_done_again(scans, tmp_path):
    model, out = Counting(), tmp_path / "out"
    first = run(scans, model, out=out)
    again = run(scans, model, out=out)
    assert (model.asked, first.reused, again.reused) == (2, 0, 3)
    pd.testing.assert_frame_equal(first.assays, again.assays)
    pd.testing.assert_frame_equal(first.summary, again.summary)


def test_what_changed_is_done_again(scans, tmp_path):
    out = tmp_path / "out"
    run(scans, Counting(), out=out)

    def asked_and_reused(model):
        result = run(scans, model, out=out)
        return model.asked, result.reused

    table = scans / "assays" / "yield.csv"
    table.write_text(table.read_text().replace("mutant", "mutant", 1) + "G76A,0.1\n")
    assert asked_and_reused(Counting()) == (1, 2)
    structure = scans / "structures" / "ubiquitin.pdb"
    structure.write_text(structure.read_text() + "REMARK\n")
    assert asked_and_reused(Counting()) == (1, 1)
    assert asked_and_reused(Counting(digest="2")) == (2, 0)
    assert asked_and_reused(Counting(digest="2")) == (0, 3)
    record = out / "scores" / "counting" / "fold.parquet"
    record.write_bytes(record.read_bytes()[:100])
    assert asked_and_reused(Counting(digest="2")) == (1, 2)
    assert asked_and_reused(Counting(digest="")) == (2, 0)  # a model without a digest is not known again


def test_the_same_weights_scored_otherwise_are_another_model(scans, tmp_path):
    """The digest of a model is that of its weights: how it turns them into scores counts too."""
    from plait.models.scoring import Scoring

    plain, buried = Counting(), Counting()
    plain.scoring, buried.scoring = Scoring(), Scoring(weighting="burial")
    run(scans, plain, out=tmp_path)
    assert run(scans, buried, out=tmp_path).reused == 0
    assert run(scans, buried, out=tmp_path).reused == 3


def test_a_stop_costs_at_most_the_structure_in_hand(scans, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(scans, Counting(fails=KeyboardInterrupt()), out=tmp_path)
    files = sorted(path.name for path in tmp_path.rglob("scores/*/*"))
    assert files == ["growth.parquet", "yield.parquet"]
    model = Counting()
    assert run(scans, model, out=tmp_path).reused == 2
    assert model.asked == 1


def test_a_broken_assay_is_reported_and_the_rest_goes_on(scans, tmp_path):
    (scans / "assays" / "yield.csv").write_text("mutant,DMS_score\nM1A,much\n")
    told = []
    result = run(scans, Counting(), "random", out=tmp_path, report=told.append)
    assert told == list(result.failures)
    assert [(one.assay, one.model) for one in told] == [("yield", "")]
    assert "yield.csv, row 1: not a measurement" in str(told[0].error)
    assert set(result.assays["assay"]) == {"growth", "fold"}


@pytest.mark.parametrize(
    ("breaking", "assays", "said"),
    [
        (lambda data: (data / "structures" / "ubiquitin.pdb").unlink(), ["growth", "yield"], "ubiquitin.pdb"),
        (lambda data: (data / "structures" / "ubiquitin.pdb").write_text("x\n"), ["growth", "yield"], "ubiquitin.pdb"),
        (lambda data: (data / "assays" / "fold.csv").unlink(), ["fold"], "fold.csv"),
        (
            lambda data: (data / "assays" / "fold.csv").write_text("mutant,DMS_score\nW1A,1\n"),
            ["fold"],
            "W1A: wrong wild type at sequence position 1",
        ),
        (
            lambda data: (data / "reference.csv").write_text(
                (data / "reference.csv").read_text().replace(f"ubiquitin.pdb,{SEQUENCE}", "ubiquitin.pdb,MQIW", 1)
            ),
            ["growth"],
            "residue 4: not the target sequence of growth",
        ),
    ],
)
def test_every_kind_of_breakage_is_named(scans, breaking, assays, said):
    breaking(scans)
    result = run(scans, "random")
    assert [one.assay for one in result.failures] == assays
    assert all(said in str(one.error) and isinstance(one.error, InputError) for one in result.failures)
    assert set(result.assays["assay"]) == {"growth", "yield", "fold"} - set(assays)


@pytest.mark.parametrize("error", [InputError("too long"), ZeroDivisionError("ours")])
def test_a_model_that_fails_leaves_the_others(scans, error):
    result = run(scans, Counting(fails=error), "random")
    assert [(one.assay, one.model, one.error) for one in result.failures] == [("fold", "counting", error)]
    assert result.wide("spearman").loc["fold"].notna().to_dict()["random"]
    means = result.summary[(result.summary["metric"] == "spearman") & (result.summary["average"] == "mean")]
    assert means.set_index("model")["assays"].to_dict() == {"Great|one": 3, "Poor": 2, "counting": 2, "random": 3}


def test_nothing_scored_is_an_error(scans):
    shutil.rmtree(scans / "assays")
    with pytest.raises(InputError, match="no assay could be scored"):
        run(scans, "random")


def test_models_by_name(scans, tmp_path):
    with pytest.raises(InputError, match="no model given"):
        run(scans)
    with pytest.raises(InputError, match="unknown model"):
        run(scans, "blosum63")
    with pytest.raises(InputError, match=r"a model is given twice .*random"):
        run(scans, "random", "random")
    with pytest.raises(InputError, match="name of a published one"):
        run(scans, Counting(name="Poor"))
    result = run(scans, *BASELINES)
    assert list(result.models) == list(BASELINES)
    names = ["a/b", "a-b", "..", "a b"]
    assert list(run(scans, *(Counting(name, name) for name in names), out=tmp_path).models) == names
    folders = sorted(os.listdir(tmp_path / "scores"))
    assert len(folders) == 4
    assert sorted(os.listdir(tmp_path)) == ["scans", "scores"]


def test_the_record_says_what_the_scores_were_made_from(scans, tmp_path):
    import hashlib

    run(scans, Counting(), out=tmp_path)
    metadata = parquet.read_schema(tmp_path / "scores" / "counting" / "fold.parquet").metadata
    made_from = json.loads(metadata[b"plait"])["made_from"]
    assert made_from["assay"] == hashlib.sha256((scans / "assays" / "fold.csv").read_bytes()).hexdigest()
    assert made_from["structure"] == hashlib.sha256((scans / "structures" / "twin.pdb.gz").read_bytes()).hexdigest()
    assert (made_from["model"], made_from["model_digest"]) == ("counting", "1")
    assert not list(tmp_path.rglob("*.part"))
