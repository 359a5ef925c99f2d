"""`plait score --msa` as it is typed."""

import json
import shutil

import numpy as np
import pytest

import plait.models.loading
from plait.cli.main import main
from plait.models.scoring import Scoring
from plait.structure.reading import read_structure


class Model:
    name, digest, card, scoring = "fixed", "0123", {}, Scoring()

    def scores(self, protein, masked=None, homologs=None):
        scores = np.random.default_rng(0).normal(-2, 1, size=(len(protein), 20))
        return (scores if homologs is None else scores - homologs.depth[:, None]).astype(np.float32), None

    def describe_score(self):
        return "Higher is better tolerated."


@pytest.fixture(autouse=True)
def here(structures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plait.models.loading, "load", lambda name=None, *, tokenizer=None: name or Model())
    shutil.copy(structures / "1ubi.pdb", tmp_path)
    shutil.copy(structures / "1crn.cif", tmp_path)
    sequence = read_structure(structures / "1ubi.pdb").sequence
    (tmp_path / "family.a3m").write_text(f">own\n{sequence}\n>other\n{'A' * 70}{sequence[70:]}\n")
    return tmp_path


def test_the_screen_says_that_an_alignment_was_mixed_in(here, capsys):
    assert main(["score", "1ubi.pdb", "--msa", "family.a3m", "--out", "run"]) == 0
    out = capsys.readouterr().out
    assert "scored with fixed and an alignment (2 sequences, median of 2.0 effective ones per residue, 100%" in out
    assert "the alignment is shallow" in out
    assert json.loads((here / "run" / "run.json").read_text())["alignment"][0]["used"] == 2


def test_a_batch_reads_it_once_and_reports_what_it_does_not_fit(here, capsys):
    assert main(["score", "1ubi.pdb", "1crn.cif", "--msa", "family.a3m", "--out", "runs"]) == 2
    said = capsys.readouterr()
    assert "family.a3m, chain A of 1crn.cif: no sequence of the alignment matches the chain" in said.err
    assert "1 scored" in said.out
    assert [path.name for path in (here / "runs").iterdir()] == ["1ubi"]


def test_another_alignment_is_another_run(here, capsys):
    arguments = ["score", "1ubi.pdb", "1ubi.pdb", str(here / "1ubi.pdb"), "--msa", "family.a3m", "--out", "runs"]
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert "2 already there" in capsys.readouterr().out
    (here / "family.a3m").write_text((here / "family.a3m").read_text() + ">third\n" + "W" * 76 + "\n")
    assert main(arguments) == 0
    assert "2 scored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("no.a3m", None, "no.a3m: no such file"),
        ("x.sto", "# STOCKHOLM 1.0\n", "unknown ending"),
        ("x.a3m", ">own\nMQIF\n>b\nMQI\n", "rows of different lengths"),
        ("x.a3m", ">own\nMKVLAAGHWTYPLKIHGFDSE\n", "no sequence of the alignment matches"),
    ],
)
@pytest.mark.parametrize("files", [["1ubi.pdb"], ["1ubi.pdb", "1crn.cif"]])
def test_a_bad_alignment_is_one_line_a_structure_and_nothing_is_written(here, capsys, name, content, says, files):
    if content is not None:
        (here / name).write_text(content)
    before = sorted(here.iterdir())
    assert main(["score", *files, "--msa", name, "--out", "run"]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") <= len(files)
    assert sorted(here.iterdir()) == before
