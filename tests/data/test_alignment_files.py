"""Alignments are read as they are written, in each form, and refused with file, sequence and line."""

import gzip
import hashlib

import numpy as np
import pytest

from plait.data import alignment_files
from plait.data.alignment_files import GAP, read_alignment
from plait.errors import InputError
from plait.structure.vocabulary import RESIDUES

LETTERS = RESIDUES + "-"


@pytest.fixture
def written(tmp_path):
    def write(content, name="x.a3m"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def columns(alignment) -> list[str]:
    return ["".join(LETTERS[code] for code in row) for row in alignment.columns]


def test_lower_case_and_dots_are_insertions(written):
    a3m = read_alignment(written(">q first\nMKV\n>h1\nM-Vaa\n>h2\nmkMKV\n"))
    assert columns(a3m) == ["MKV", "M-V", "MKV"]
    assert a3m.names == ("q", "h1", "h2")
    a2m = read_alignment(written(">q\n..MKV..\n>h1\n..M-Vaa\n>h2\nmkMKV..\n", "x.a2m"))
    assert columns(a2m) == columns(a3m)


def test_aligned_fasta_knows_no_insertions(written):
    assert columns(read_alignment(written(">q\nMKv.\n>h\nm-VA\n", "x.fasta"))) == ["MKV-", "M-VA"]


def test_a_sequence_keeps_its_insertions_and_where_they_stand(written):
    alignment = read_alignment(written(">q\nMkl-V\n>h\nM-A\n".replace("M-A", "MAV")))
    types, column = alignment.residues(0)
    assert "".join(RESIDUES[one] for one in types) == "MKLV"
    assert column.tolist() == [0, -1, -1, 2]


def test_wrapped_lines_comments_windows_ends_and_a_nul_at_the_end(written):
    text = "#2,1\t1\r\n>q one\r\nMK\r\n V\r\n\r\n>h\r\n-K\r\nV\r\n\0"
    assert columns(read_alignment(written(text))) == ["MKV", "-KV"]


def test_annotations_of_hh_suite_are_no_sequences(written):
    text = ">ss_pred PSIPRED\nHHC\n>ss_conf\n987\n>x_consensus\nMKV\n>q\nMKV\n>h\nM-V\n"
    alignment = read_alignment(written(text))
    assert alignment.names == ("q", "h")
    assert alignment.left_out == ("ss_pred", "ss_conf", "x_consensus")


def test_rare_letters_are_unknown_or_their_parent(written):
    assert columns(read_alignment(written(">q\nMKVAGW\n>h\nXBZJUO*\n"))) == ["MKVAGW", "XXXXCK"]


def test_gzip_is_unpacked_and_the_digest_is_of_the_file(written):
    path = written(gzip.compress(b">q\nMKV\n"), "x.a3m.gz")
    alignment = read_alignment(path)
    assert columns(alignment) == ["MKV"]
    assert alignment.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert alignment.columns.dtype == np.uint8
    assert (alignment.columns < GAP).all()


BAD = {
    "missing": ("none.a3m", None, "no such file"),
    "empty": ("x.a3m", "", "empty"),
    "blank": ("x.a3m", "\n \n", "not an alignment"),
    "comments only": ("x.a3m", "#2\t1\n", "not an alignment"),
    "ending": ("x.txt", ">q\nMKV\n", "unknown ending of an alignment (got '.txt'"),
    "stockholm": ("x.a3m", "# STOCKHOLM 1.0\nq MKV\n//\n", "Stockholm format is not read"),
    "clustal": ("x.fasta", "CLUSTAL W (1.8)\n\nq MKV\n", "Clustal format is not read"),
    "a structure": ("x.a3m", "HEADER    PROTEIN\nATOM\n", "got 'HEADER"),
    "binary": ("x.a3m", b"\x93NUMPY\x01\0v\0{'descr'", "binary data"),
    "broken gzip": ("x.a3m.gz", gzip.compress(b">q\nMKV\n" * 9)[:-9], "gzip stream"),
    "ragged a3m": (
        "x.a3m",
        ">q\nMKV\n>h\nMKVAaa\n",
        "sequence 2 (h), line 3: rows of different lengths (got 4 columns;",
    ),
    "ragged fasta": ("x.fa", ">q\nMKV\n>a\nMKV\n>b\nMKVaa\n", "sequence 3 (b), line 5: rows of different lengths"),
    "cut": ("x.a3m", ">q\nMKV\n>h\nMK", "Is the file cut?"),
    "digit": ("x.a3m", ">q\nMKV\n>h\nM1V\n", "line 3: unknown letter in the alignment (got '1' as character 2;"),
    "inner stop": ("x.a3m", ">q\nM*V\n", "got '*'"),
    "not text": ("x.a3m", ">q\nMKV\n>h\nM\xe9V\n".encode("latin-1"), "unknown letter"),
    "no letters": ("x.a3m", ">q\nMKV\n>h\n\n>i\nMKV\n", "sequence 2 (h), line 3: no sequence below its name"),
    "gaps only": ("x.a3m", ">q\nMKV\n>h\n---\n", "no residue stands in a column"),
    "lower case only": ("x.a3m", ">q\nmkv\n", "no residue stands in a column"),
    "annotations only": ("x.a3m", ">ss_pred\nHHH\n", "no sequence in the alignment"),
    "two in one": ("x.a3m", b">q\nMKV\n\0>r\nMKVA\n", "several alignments in one file"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_used_is_one_input_error(kind, tmp_path, written):
    name, content, says = BAD[kind]
    path = tmp_path / name if content is None else written(content, name)
    with pytest.raises(InputError) as caught:
        read_alignment(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("limit", ["MOST_SEQUENCES", "MOST_COLUMNS", "MOST_CELLS"])
def test_too_much_is_refused(limit, written, monkeypatch):
    path = written(">q\nMKV\n>h\nMKV\n>i\nMKV\n")
    read_alignment(path)
    monkeypatch.setattr(alignment_files, limit, 2)
    with pytest.raises(InputError, match=r"too large.*hhfilter"):
        read_alignment(path)
