"""`plait benchmark dms` from end to end on a small folder."""

import json

import pytest
from scans import write_scans

from plait.cli.main import main


@pytest.fixture
def scans(tmp_path):
    return write_scans(tmp_path / "scans")


def run(scans, *arguments):
    return main(["benchmark", "dms", "--data", str(scans), "--resamples", "50", *map(str, arguments)])


def test_it_writes_and_tells_where(scans, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(scans, "--models", "burial,random", "--out", out, "--beside", "Poor") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "* burial" in said.out
    assert f"page:    {out}/summary.md" in said.out
    assert {path.name for path in (out / "scores").iterdir()} == {"burial", "random"}
    record = json.loads((out / "run.json").read_text())
    assert record["command"].startswith("plait benchmark dms --data")
    assert run(scans, "--models", "burial,random", "--out", out) == 0
    assert "6 of them were there already" in capsys.readouterr().out


def test_a_broken_assay_gives_exit_code_2_and_the_rest(scans, tmp_path, capsys):
    (scans / "assays" / "fold.csv").write_text("mutant,DMS_score\nM1A,1\nQ2W,x\n")
    assert run(scans, "--models", "random", "--out", tmp_path / "out") == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "fold.csv, row 2: not a measurement (got 'x'; expected a number)" in said.err
    assert "failed: fold" in said.out
    assert (tmp_path / "out" / "run.json").is_file()
    (scans / "assays" / "fold.csv").write_text("mutant,DMS_score\nM1A,1\nQ2W,2\n")
    assert run(scans, "--models", "random", "--out", tmp_path / "out") == 0


def test_all_broken_writes_nothing(scans, tmp_path, capsys):
    for file in (scans / "assays").iterdir():
        file.unlink()
    assert run(scans, "--models", "random", "--out", tmp_path / "out") == 2
    assert "no assay could be scored" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--models", "burial,,random"], "an empty name in --models"),
        (["--models", "nosuchmodel"], "unknown model"),
        (["--beside", "Pooor"], "unknown published model.*Did you mean 'Poor'"),
        (["--resamples", "1"], "too few resamples"),
        (["--modles", "x"], "Did you mean --models"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(scans, tmp_path, capsys, arguments, said):
    import re

    assert run(scans, "--out", tmp_path / "out", *arguments) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_needed(capsys):
    assert main(["benchmark", "dms"]) == 2
    assert "--data" in capsys.readouterr().err


def test_our_own_failure_is_exit_code_1(scans, tmp_path, capsys, monkeypatch):
    from plait.models import baselines

    def broken(protein):
        raise ZeroDivisionError("oh")

    monkeypatch.setitem(baselines.BASELINES, "random", baselines.Baseline("random", "broken", broken))
    assert run(scans, "--models", "random,burial", "--out", tmp_path / "out") == 1
    assert "internal error, ZeroDivisionError" in capsys.readouterr().err
    assert (tmp_path / "out" / "run.json").is_file()
