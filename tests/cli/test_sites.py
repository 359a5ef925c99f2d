"""`plait sites` as it is typed: what is said, what is written, and one line for every kind of bad input."""

import json
import shutil
import subprocess
import sys

import pytest

import plait.tasks.binding_sites.predicting as predicting
from plait.cli.main import main
from plait.reports.sites import SITE_FILES


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_last_lines_say_where_everything_is(structures, here, capsys):
    assert main(["sites", str(structures / "1ubi.pdb"), "--model", "geometry"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.splitlines()[-1] == "page:    plait-1ubi/report.html"
    assert sorted(path.name for path in (here / "plait-1ubi").iterdir()) == sorted(SITE_FILES)
    assert "pocket 1" in said.out


def test_many_structures_go_on_past_a_broken_one_and_are_not_done_again(structures, here, capsys):
    (here / "in").mkdir()
    shutil.copy(structures / "1ubi.pdb", here / "in" / "a.pdb")
    shutil.copy(structures / "2d7t.pdb.gz", here / "in" / "b.pdb.gz")
    (here / "in" / "broken.pdb").write_text("nothing\n")
    arguments = ["sites", "in", "--model", "geometry", "--out", "out"]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "broken.pdb" in said.err
    assert "2 searched in" in said.out
    assert main(arguments) == 2
    assert "0 searched" in capsys.readouterr().out
    record = json.loads((here / "out" / "b" / "run.json").read_text())
    assert record["arguments"] == {"chain": None, "together": True, "structure_model": 1, "atoms": False}
    assert main([*arguments, "--no_together"]) == 2
    assert "2 searched" in capsys.readouterr().out


def test_one_chain(structures, here, capsys):
    assert main(["sites", str(structures / "2d7t.pdb.gz"), "--model", "geometry", "--chain", "H", "--out", "o"]) == 0
    assert "residues H " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no structure given"),
        (["1ubi.pdb", "--model", "geometrie"], "unknown model"),
        (["1ubi.pdb"], "no model for binding sites ships"),
        (["1ubi.pdb", "--modle", "x"], "Did you mean --model"),
        (["nowhere.pdb", "--model", "geometry"], "nowhere.pdb"),
        (["1ubi.pdb", "--out", "a", "--into", "b"], "both given"),
    ],
)
def test_bad_input_gives_one_line(structures, here, capsys, monkeypatch, arguments, expected):
    monkeypatch.setattr(predicting, "bundled", dict)
    shutil.copy(structures / "1ubi.pdb", here)
    assert main(["sites", *arguments]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("plait: ")
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert not (here / "plait-1ubi").exists()


def test_geometry_needs_no_torch(structures, here):
    """Three of four seconds of the whole command would be its import."""
    arguments = ["sites", str(structures / "1ubi.pdb"), "--model", "geometry", "--out", "out", "--atoms"]
    code = f"import sys\nfrom plait.cli.main import main\nassert main({arguments!r}) == 0\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
