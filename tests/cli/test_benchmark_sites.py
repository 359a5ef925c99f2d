"""`plait benchmark sites` from end to end on a small folder."""

import json
import re

import pandas as pd
import pytest
from complexes_folder import write_complexes

from plait.cli.main import main


@pytest.fixture(scope="module")
def complexes(shared, tmp_path_factory):
    return write_complexes(tmp_path_factory.mktemp("complexes") / "set", shared)


def run(complexes, *arguments):
    fixed = ["--splits", "test", "--models", "geometry", "--resamples", "50"]
    return main(["benchmark", "sites", "--data", str(complexes), *fixed, *map(str, arguments)])


def test_it_writes_and_tells_where(complexes, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(complexes, "--out", out) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"page:        {out}/summary.md" in said.out
    record = json.loads((out / "run.json").read_text())
    assert record["command"].startswith("plait benchmark sites --data")
    assert set(record["values"]["test"]) == {"geometry"}
    entries = len(pd.read_parquet(complexes / "index.parquet"))
    assert len(pd.read_csv(out / "proteins.csv")) == entries
    page = (out / "summary.md").read_text()
    assert re.search(r"\| AUROC \| 0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\] \|", page)
    assert run(complexes, "--out", out) == 0
    assert f"{entries} of them were there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--models", "geometry,,x"], "an empty name in --models"),
        (["--models", "nosuchmodel"], "unknown model"),
        (["--splits", "tset"], "unknown split.*Did you mean 'test'"),
        (["--resamples", "1"], "too few resamples"),
        (["--cutoff", "0"], "cut-off"),
        (["--data", "nowhere"], "no such data folder"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(complexes, tmp_path, capsys, arguments, said):
    assert run(complexes, "--out", tmp_path / "out", *arguments) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_needed(capsys):
    assert main(["benchmark", "sites"]) == 2
    assert "--data" in capsys.readouterr().err
