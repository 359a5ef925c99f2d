"""The list of models: an ensemble is as large as its members together, wherever they stand."""

import json
import shutil

import pytest
from tiny_models import tiny_ensemble

from plait.cli.main import main
from plait.models import catalogue
from plait.models.loading import load, save


def size(*folders) -> int:
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """An ensemble whose members stand beside it, as the bundled ones do, and one that holds its members."""
    folder = tmp_path / "weights"
    save(tiny_ensemble(), folder / "inside")
    save(tiny_ensemble(2), folder / "beside")
    for name in ("tiny-0", "tiny-1"):
        (folder / "beside" / name).rename(folder / name)
    monkeypatch.setattr(catalogue, "WEIGHTS", folder)
    monkeypatch.setattr(catalogue, "cached", dict)
    return folder


def test_an_ensemble_is_its_members_together(weights):
    records = {one["name"]: one for one in catalogue.models()}
    assert sorted(records) == ["beside", "inside", "tiny-0", "tiny-1"]
    assert records["beside"]["bytes"] == size(weights / "beside", weights / "tiny-0", weights / "tiny-1")
    assert records["inside"]["bytes"] == size(weights / "inside") > records["tiny-0"]["bytes"] * 3
    assert [records[name]["parameters"] for name in ("beside", "inside", "tiny-1")] == [3000, 6000, 2000]
    assert records["beside"]["members"] == ["tiny-0", "tiny-1"]
    assert records["tiny-0"]["members"] == []
    assert [one.name for one in load("beside").members] == ["tiny-0", "tiny-1"]


def test_what_cannot_be_known_is_not_made_up(weights):
    shutil.rmtree(weights / "tiny-0")
    record = json.loads((weights / "tiny-1" / "model.json").read_text())
    del record["card"]["parameters"]
    (weights / "tiny-1" / "model.json").write_text(json.dumps(record))
    records = {one["name"]: one for one in catalogue.models()}
    assert records["beside"]["bytes"] == size(weights / "beside", weights / "tiny-1")
    assert records["beside"]["parameters"] is records["tiny-1"]["parameters"] is None


def test_the_list_says_so(weights, capsys, monkeypatch):
    assert main(["models"]) == 0
    header, *lines = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    rows = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert rows["beside"]["members"] == "tiny-0,tiny-1"
    assert rows["beside"]["parameters"] == "3000"
    assert rows["tiny-0"]["members"] == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "250")
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "3 members together: tiny-0, tiny-1, tiny-2" in said
    assert "6,000" in said
