"""`plait score` as it is typed: what is said, what is written, and one line for every kind of bad input."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import plait.models.loading
from plait.cli.main import main
from plait.reports.run_record import FILES


class Model:
    name, digest, card = "fixed", "0123", {"licence": "Apache-2.0"}
    loaded = 0

    def scores(self, protein, masked=None):
        if protein.source == "breaks.pdb":
            raise RuntimeError("a fault of ours")
        return np.random.default_rng(0).normal(-2, 1, size=(len(protein), 20)).astype(np.float32), None

    def describe_score(self):
        return "Higher is better tolerated."


@pytest.fixture(autouse=True)
def fixed_model(monkeypatch, request):
    if "real_model" in request.keywords:
        return
    real = plait.models.loading.load

    def load(name=None, *, tokenizer=None):
        return name if isinstance(name, Model) else Model() if name is None else real(name, tokenizer=tokenizer)

    monkeypatch.setattr(plait.models.loading, "load", load)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_last_lines_say_where_everything_is(structures, here, capsys):
    assert main(["score", str(structures / "1ubi.pdb")]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["table:", "picture:", "page:"]
    assert all((here / line.split()[1]).is_file() for line in lines[-3:])
    assert sorted(path.name for path in (here / "plait-1ubi").iterdir()) == sorted(FILES)
    assert "higher is better" in said.out


def test_mutations_and_author_numbers(structures, here, capsys):
    arguments = ["--mutations", "M151A,D152A:I153L", "--numbering", "author", "--out", "run", "--multi", "joint"]
    assert main(["score", str(structures / "1a8o.pdb"), *arguments]) == 0
    rows = (here / "run" / "scores.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["mutant", "M151A", "D152A:I153L"]
    record = json.loads((here / "run" / "run.json").read_text())
    assert record["arguments"]["multi"] == "joint"
    assert "joint" in record["score"]["meaning"]


def test_a_batch_goes_on_past_what_is_broken(structures, here, capsys):
    (here / "in").mkdir()
    shutil.copy(structures / "1ubi.pdb", here / "in" / "b.pdb")
    shutil.copy(structures / "bad" / "empty.pdb", here / "in" / "a.pdb")
    (here / "in" / "notes.txt").write_text("no structure")
    assert main(["score", "in", str(structures / "1crn.cif"), "--out", "runs"]) == 2
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if line.startswith("plait:")] == said.err.splitlines()
    assert "a.pdb" in said.err
    assert sorted(path.name for path in (here / "runs").iterdir()) == ["1crn", "b"]
    assert "2 scored" in said.out
    assert "1 failed" in said.out


def test_a_batch_with_a_fault_of_ours_ends_with_1(structures, here, capsys):
    (here / "in").mkdir()
    shutil.copy(structures / "1ubi.pdb", here / "in" / "breaks.pdb")
    shutil.copy(structures / "1ubi.pdb", here / "in" / "good.pdb")
    shutil.copy(structures / "bad" / "empty.pdb", here / "in" / "zero.pdb")
    assert main(["score", "in", "--out", "runs"]) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert [path.name for path in (here / "runs").iterdir()] == ["good"]


def test_what_is_done_is_not_done_again(structures, here, capsys):
    files = [str(structures / "1ubi.pdb"), str(structures / "1crn.cif")]
    assert main(["score", *files, "--out", "runs"]) == 0
    before = {path: path.stat().st_mtime_ns for path in (here / "runs").rglob("run.json")}
    (here / "runs" / "1crn" / "report.html").unlink()
    assert main(["score", *files, "--out", "runs"]) == 0
    assert "1 scored" in capsys.readouterr().out.splitlines()[-2]
    after = {path: path.stat().st_mtime_ns for path in (here / "runs").rglob("run.json")}
    changed = [path.parent.name for path in after if after[path] != before[path]]
    assert changed == ["1crn"]
    assert main(["score", *files, "--out", "runs", "--numbering", "author"]) == 0
    assert "2 scored" in capsys.readouterr().out


@pytest.mark.real_model
def test_workers_give_the_same(structures, here, capsys):
    """With one thread in each process, also in this one, whose number of threads may change the last digit of a sum."""
    import torch

    files = [str(structures / name) for name in ("1ubi.pdb", "bad/empty.pdb", "1crn.cif")]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert main(["score", *files, "--out", "one"]) == 2
    finally:
        torch.set_num_threads(threads)
    alone = capsys.readouterr()
    shutil.copytree("one/1crn", "two/1crn")  # what one process has done, others find done
    assert main(["score", *files, "--into", "two", "--workers", "2"]) == 2
    spread = capsys.readouterr()
    assert spread.err == alone.err
    assert spread.out.splitlines()[0] == alone.out.splitlines()[0].replace("one/", "two/")
    assert "1 scored" in spread.out and "1 already there, 1 failed" in spread.out
    written = sorted(path.relative_to("one") for path in Path("one").rglob("*") if path.is_file())
    assert written == sorted(path.relative_to("two") for path in Path("two").rglob("*") if path.is_file())
    for path in written:
        if path.name in ("scores.csv", "heatmap.png", "structure.cif"):
            assert ("two" / path).read_bytes() == ("one" / path).read_bytes(), path


def test_into_is_one_rule_for_one_structure_and_for_many(structures, here):
    assert main(["score", str(structures / "1crn.cif"), "--mutations", "T1A", "--into", "runs"]) == 0
    assert [path.name for path in (here / "runs").iterdir()] == ["1crn"]


def test_files_of_one_name_get_folders_of_their_own(structures, here):
    for name in ("a", "b"):
        (here / name).mkdir()
        shutil.copy(structures / "1crn.cif", here / name / "x.cif")
    assert main(["score", "a", "b", "--out", "runs"]) == 0
    assert sorted(path.name for path in (here / "runs").iterdir()) == ["x", "x-2"]


BAD_TABLES = {
    "no column": ("variant\nM1A\n", "no column 'mutant'"),
    "wrong wild type": ("mutant\nM1A\nA2C\n", "row 2 (line 3): A2C: wrong wild type"),
    "unknown letter": ("mutant\nM1B\n", "unknown amino acid 'B'"),
    "out of range": ("mutant\nM1A\nM700A\n", "no sequence position 700"),
    "empty row": ("mutant,x\nM1A,1\n,\n", "empty row"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_bad_table_is_one_line_and_nothing_is_written(structures, here, capsys, kind):
    content, says = BAD_TABLES[kind]
    (here / "m.csv").write_text(content)
    assert main(["score", str(structures / "1ubi.pdb"), "--csv", "m.csv", "--out", "run"]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert "m.csv" in said.err
    assert said.err.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["m.csv"]


BAD_ARGUMENTS = {
    "missing file": (["nowhere.pdb"], "nowhere.pdb: no such file"),
    "no file": ([], "no structure given"),
    "chain": (["1ubi.pdb", "--chain", "Q"], "no such chain"),
    "model": (["1ubi.pdb", "--model", "plait-smal"], "unknown model"),
    "pickle": (["1ubi.pdb", "--model", "model.pt"], "pickles"),
    "numbering": (["1ubi.pdb", "--numbering", "auther"], "'author'"),
    "multi": (["1ubi.pdb", "--multi", "both"], "additive"),
    "mutation": (["1ubi.pdb", "--mutations", "M2A"], "got M; expected Q"),
    "two sources": (["1ubi.pdb", "--mutations", "M1A", "--csv", "m.csv"], "both"),
    "out is a file": (["1ubi.pdb", "--out", "model.pt"], "output folder"),
    "flag": (["1ubi.pdb", "--chian", "A"], "--chain"),
    "empty folder": (["folder"], "no structure file"),
    "structure model": (["1ubi.pdb", "--structure_model", "7"], "model"),
}


@pytest.mark.parametrize("kind", BAD_ARGUMENTS)
def test_bad_arguments_are_one_line_and_nothing_is_written(structures, here, capsys, kind):
    shutil.copy(structures / "1ubi.pdb", here)
    (here / "model.pt").write_bytes(b"\x80\x04.")
    (here / "folder").mkdir()
    before = sorted(here.rglob("*"))
    arguments, says = BAD_ARGUMENTS[kind]
    assert main(["score", *arguments]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert sorted(here.rglob("*")) == before


def bad_structures():
    shared = Path(os.environ.get("PLAIT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    folder = shared / "data" / "structures" / "bad"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ["empty.pdb"]


@pytest.mark.parametrize("name", bad_structures())
def test_every_unusable_file_is_one_line_or_a_result(structures, here, capsys, name):
    code = main(["score", str(structures / "bad" / name), "--out", "run"])
    said = capsys.readouterr()
    if code == 0:
        assert sorted(path.name for path in (here / "run").iterdir()) == sorted(FILES)
        return
    assert code == 2
    assert said.err.count("\n") == 1
    assert name in said.err
    assert "internal error" not in said.err
    assert list(here.iterdir()) == []


def test_scoring_needs_neither_transformers_nor_lightning(structures, here):
    import subprocess

    code = (
        "import sys\n"
        "from plait.cli.main import main\n"
        f"code = main(['score', {str(structures / '1ubi.pdb')!r}, '--out', 'run'])\n"
        "print(code, [name for name in ('transformers', 'lightning') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1].endswith("[]"), done.stderr
