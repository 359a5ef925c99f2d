"""Tokens of files: one record per chain, in order, whole files or none."""

import csv
import shutil

import numpy as np
import pytest

import plait
from plait.errors import InputError
from plait.structure import read_structure
from plait.tokenizers.dssp import DSSPTokenizer
from plait.tokenizers.saving import digest, load_tokenizer
from plait.tokenizers.threedi import ThreeDiTokenizer
from plait.tokenizers.token_files import check_output, write_tokens
from plait.tokenizers.tokens import tokens


@pytest.fixture
def folder(structures, tmp_path):
    """Three good files and a broken one between them."""
    for name in ("1crn.cif", "1ubi.pdb", "2d7t.pdb.gz"):
        shutil.copy(structures / name, tmp_path / name)
    shutil.copy(structures / "bad" / "truncated.cif", tmp_path / "1truncated.cif")
    return tmp_path


def test_records_are_chain_by_chain(structures):
    file = structures / "2d7t.pdb.gz"
    records = tokens(file, "3di")
    protein = read_structure(file)
    assert [(record.file, record.chain, record.name) for record in records] == [
        (str(file), "H", "2d7t_H"),
        (str(file), "L", "2d7t_L"),
    ]
    assert "".join(record.sequence for record in records) == protein.sequence
    assert np.array_equal(np.concatenate([record.tokens for record in records]), ThreeDiTokenizer()(protein))
    assert "52A" in records[0].author_numbers
    assert all(len(record) == len(record.author_numbers) == len(record.letters) for record in records)


def test_a_chain_can_be_chosen(structures):
    file = structures / "2d7t.pdb.gz"
    (record,) = tokens(file, "dssp", chain="L")
    (same,) = tokens(read_structure(file), "dssp", chain="L")
    assert record.chain == same.chain == "L"
    assert np.array_equal(record.tokens, same.tokens)
    with pytest.raises(InputError, match="chain"):
        tokens(file, "dssp", chain="Q")
    with pytest.raises(InputError, match="chain"):
        tokens(read_structure(file), "dssp", chain="Q")


def test_proteins_paths_and_folders_mix(folder):
    (folder / "1truncated.cif").unlink()
    protein = read_structure(folder / "1crn.cif")
    names = [record.name for record in plait.tokens([protein, folder], tokenizer="dssp")]
    assert names == ["1crn_A", "1crn_A", "1ubi_A", "2d7t_H", "2d7t_L"]


def test_an_unreadable_file_is_an_error_in_python(folder):
    with pytest.raises(InputError, match=r"1truncated\.cif"):
        tokens(folder, "dssp")


def test_tokenizers_are_named_or_in_folders(tmp_path):
    tokenizer = ThreeDiTokenizer(ThreeDiTokenizer.Config(ideal_c_beta=True))
    tokenizer.save(tmp_path / "kept")
    assert load_tokenizer(tmp_path / "kept").config.ideal_c_beta
    assert load_tokenizer(tokenizer) is tokenizer
    with pytest.raises(InputError, match="Did you mean 'dssp'"):
        load_tokenizer("dsps")
    with pytest.raises(InputError, match="no such tokenizer folder"):
        load_tokenizer(tmp_path / "absent")
    with pytest.raises(InputError, match="not a tokenizer's folder"):
        load_tokenizer(tmp_path)
    with pytest.raises(InputError, match="another tokenizer"):
        DSSPTokenizer.load(tmp_path / "kept")


def test_digests_tell_configurations_apart():
    other = DSSPTokenizer(DSSPTokenizer.Config(prefer_pi=False))
    assert digest(DSSPTokenizer()) == digest(DSSPTokenizer()) != digest(other)


def test_parquet_holds_all_and_says_what_the_tokens_are(structures, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    tokenizer = DSSPTokenizer()
    records = tokens([structures / "2d7t.pdb.gz", structures / "1ubi.pdb"], tokenizer)
    assert write_tokens(records, tmp_path / "t.parquet", tokenizer) == 3
    table = parquet.read_table(tmp_path / "t.parquet")
    for row, record in zip(table.to_pylist(), records, strict=True):
        assert (row["file"], row["chain"], row["sequence"]) == (record.file, record.chain, record.sequence)
        assert row["tokens"] == record.tokens.tolist()
        assert row["author_numbers"] == list(record.author_numbers)
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert metadata["tokenizer"] == "dssp"
    assert metadata["digest"] == digest(tokenizer)
    assert (metadata["states"], metadata["unknown"]) == ("8", "8")


def test_fasta_has_letters_or_integers(structures, tmp_path):
    class Numbered(DSSPTokenizer):
        letters = property()  # a tokenizer without letters has no such attribute

    tokenizer, numbered = DSSPTokenizer(), Numbered()
    (record,) = tokens(structures / "1crn.cif", tokenizer)
    write_tokens([record], tmp_path / "t.fasta", tokenizer)
    assert (tmp_path / "t.fasta").read_text() == f">1crn_A\n{record.letters}\n"
    write_tokens(tokens(structures / "1crn.cif", numbered), tmp_path / "n.fasta", numbered)
    header, line = (tmp_path / "n.fasta").read_text().splitlines()
    assert header == ">1crn_A"
    assert list(map(int, line.split())) == record.tokens.tolist()


def test_csv_has_a_line_per_chain(structures, tmp_path):
    tokenizer = DSSPTokenizer()
    records = tokens(structures / "2d7t.pdb.gz", tokenizer)
    write_tokens(records, tmp_path / "t.csv", tokenizer)
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["chain"] for row in rows] == ["H", "L"]
    assert list(map(int, rows[1]["tokens"].split())) == records[1].tokens.tolist()


@pytest.mark.parametrize("ending", [".parquet", ".fasta", ".csv"])
def test_nothing_half_written_is_left(structures, tmp_path, ending):
    tokenizer = DSSPTokenizer()

    def broken():
        yield from tokens(structures / "1crn.cif", tokenizer)
        raise RuntimeError("stop")

    out = tmp_path / f"t{ending}"
    out.write_text("as it was")
    with pytest.raises(RuntimeError, match="stop"):
        write_tokens(broken(), out, tokenizer)
    assert write_tokens([], out, tokenizer) == 0
    assert out.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [out]


def test_outputs_are_checked_before_work(tmp_path):
    with pytest.raises(InputError, match=r"Did you mean \.parquet"):
        check_output(tmp_path / "t.parqet")
    with pytest.raises(InputError, match="this is a folder"):
        (tmp_path / "t.csv").mkdir()
        check_output(tmp_path / "t.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        check_output(tmp_path / "file" / "t.csv")
    assert check_output(tmp_path / "new" / "t.fasta") == tmp_path / "new" / "t.fasta"
    assert not list((tmp_path / "new").iterdir())
