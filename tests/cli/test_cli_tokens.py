"""`plait tokens`: files in, one file out, and every failure named."""

import shutil

import pytest

from plait.cli.main import main
from plait.tokenizers.tokens import tokens


@pytest.fixture
def folder(structures, tmp_path):
    """Two good files and a broken one between them."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("1crn.cif", "2d7t.pdb.gz"):
        shutil.copy(structures / name, folder / name)
    shutil.copy(structures / "bad" / "truncated.cif", folder / "1truncated.cif")
    return folder


def test_a_file_becomes_fasta(structures, tmp_path, capsys):
    out = tmp_path / "t.fasta"
    assert main(["tokens", str(structures / "1crn.cif"), "--tokenizer", "3di", "--out", str(out)]) == 0
    (record,) = tokens(structures / "1crn.cif", "3di")
    assert out.read_text() == f">1crn_A\n{record.letters}\n"
    captured = capsys.readouterr()
    assert captured.out == f"{out}: 1 chain, tokenizer 3di with 20 states\n"
    assert captured.err == ""


def test_a_broken_file_is_named_and_the_rest_goes_on(folder, tmp_path, capsys):
    out = tmp_path / "t.fasta"
    assert main(["tokens", str(folder), "--tokenizer", "dssp", "--out", str(out)]) == 2
    assert [line for line in out.read_text().splitlines() if line.startswith(">")] == [">1crn_A", ">2d7t_H", ">2d7t_L"]
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("plait: ")
    assert "1truncated.cif" in line
    assert "1 of 3 files left out" in captured.out


@pytest.mark.parametrize("tokenizer", ["dssp", "gvp-chain"])
def test_workers_give_the_same(folder, tmp_path, capsys, tokenizer):
    said = []
    for workers in ("1", "2"):
        out = tmp_path / f"{workers}.fasta"
        assert main(["tokens", str(folder), "--tokenizer", tokenizer, "--out", str(out), "--workers", workers]) == 2
        said.append(capsys.readouterr().err)
    assert (tmp_path / "1.fasta").read_text() == (tmp_path / "2.fasta").read_text()
    assert said[0] == said[1]


def test_a_failure_of_ours_costs_one_file_too(folder, tmp_path, capsys, monkeypatch):
    from plait.tokenizers.dssp import DSSPTokenizer

    def stumble(self, protein):
        if protein.source == "1crn.cif":
            raise ZeroDivisionError("a defect")
        return usual(self, protein)

    usual = DSSPTokenizer.__call__
    monkeypatch.setattr(DSSPTokenizer, "__call__", stumble)
    (folder / "1truncated.cif").unlink()
    assert main(["tokens", str(folder), "--tokenizer", "dssp", "--out", str(tmp_path / "t.fasta")]) == 1
    assert "1crn.cif: internal error, ZeroDivisionError: a defect" in capsys.readouterr().err
    assert (tmp_path / "t.fasta").read_text().startswith(">2d7t_H")


def test_nothing_is_written_where_nothing_was_read(folder, tmp_path, capsys):
    out = tmp_path / "t.parquet"
    assert main(["tokens", str(folder / "1truncated.cif"), "--tokenizer", "dssp", "--out", str(out)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["1crn.cif", "--tokenizer", "dspp"], "Did you mean 'dssp'?"),
        (["1crn.cif", "--tokenizer", "dssp", "--out", "t.parqet"], "Did you mean .parquet?"),
        (["1crn.cif", "--tokenizer", "dssp", "--chain", "Q"], "no such chain"),
        (["absent.pdb", "--tokenizer", "dssp"], "no such file"),
        (["--tokenizer", "dssp"], "no structure file given"),
        (["1crn.cif", "--tokeniser", "dssp"], "Did you mean --tokenizer?"),
    ],
)
def test_bad_requests_are_one_line(folder, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert main(["tokens", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
    assert sorted(folder.iterdir()) == before
