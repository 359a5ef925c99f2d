"""Unusable and misleading files: one clear line each, or a result that says what was wrong."""

import gzip
import os
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plait.errors import InputError
from plait.structure import read_structure
from plait.structure.contents import unpack

FOLDER = Path(os.environ.get("PLAIT_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data" / "structures"

REFUSED = {
    "1a8o_disordered_test.pdb.gz": "no protein in this model",  # model 1 is a lone HETATM; model 2 has the chains
    "all_nan.pdb": "residue 1: most atoms lack coordinates",
    "all_zero.pdb": "all atoms are in one place",
    "backbone_missing.pdb": "no backbone: side chains only",
    "bomb.pdb.gz": "inside gzip: gzip content too dense",
    "ca_missing.pdb": "no C-alpha in any residue",
    "component.cif": "got the definition of a chemical component",
    "dna_only.pdb": "no protein in this file (got 24 nucleotide residues",
    "empty.cif": "file is empty (got 0 bytes",
    "empty.pdb": "file is empty (got 0 bytes",
    "empty.pdb.gz": "file is empty (got 0 bytes",
    "empty_inside.cif.gz": "inside gzip: file is empty",
    "error_page.cif": "got an HTML page",
    "error_page.pdb": "got an HTML page",
    "five_digit_resid.pdb": "no protein in this file (got 81 water residues",
    "garbage.bcif": "got binary data",
    "garbage.cif": "got binary data",
    "garbage.pdb": "got binary data",
    "garbage.pdb.gz": "got binary data",
    "header_only.pdb": "without ATOM or HETATM records",
    "huge_coordinates.pdb": "residue 6, atom CE: coordinate out of range",
    "implausible_spacing.pdb": "implausible distance between neighbouring C-alphas (got median 37.88",
    "letters_in_coordinates.pdb": "line 320: x coordinate is not a number (got 'x.xxx'",
    "ligand_only.pdb": "no protein in this file",
    "no_atom_site.cif": "got structure factors",
    "rna_only.cif.gz": "no protein in this file",
    "shifted_columns.pdb": "line 270: coordinate record does not begin in column 1",
    "small_molecule.cif": "got a small molecule with fractional coordinates",
    "truncated.bcif": "not readable as BinaryCIF",
    "truncated.cif": "line 1957: not readable as mmCIF",
    "truncated.cif.gz": "gzip stream cut",
    "truncated.pdb": "line 305: file cut in the middle of a coordinate line",
    "unbalanced_loop.cif": "line 542: not readable as mmCIF",
    "unknown_residues.pdb": "all residues are of unknown type",
    "water_only.pdb": "no protein in this file (got 81 water residues",
}

USABLE = {
    # name: residues, and the kind of the remark that says what was wrong (None where nothing is lost)
    "bcif_named.cif": (137, None),
    "duplicate_atoms.pdb": (76, "duplicate atom"),
    "duplicate_residue_number.pdb": (76, "duplicate number"),
    "gzip_named.pdb": (76, None),
    "missing_coordinates.cif": (46, "missing coordinates"),
    "mmcif_named.pdb": (46, None),
    "model_without_endmdl.pdb": (76, "model"),
    "nan_coordinates.pdb": (76, "missing coordinates"),
    "old_format_1gdr.ent": (105, "old format"),
    "one_residue.pdb": (1, "single residue"),
    "pdb_named.cif": (76, None),
    "plain_named.pdb.gz": (76, None),
    "some_ca_missing.pdb": (76, "incomplete backbone"),
}


def test_every_bad_file_has_an_expectation(structures):
    assert {path.name for path in (structures / "bad").iterdir()} == {*REFUSED, *USABLE}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused(structures, name):
    with pytest.raises(InputError) as caught:
        read_structure(structures / "bad" / name)
    message = str(caught.value)
    assert message.startswith(str(structures / "bad" / name)), "names the file"
    assert REFUSED[name] in message
    assert "\n" not in message and len(message) < 600
    error = caught.value
    assert error.got is not None and error.expected is not None
    assert error.exit_code == 2
    assert error.__cause__ is None


@pytest.mark.parametrize("name", sorted(USABLE))
def test_usable_with_the_fault_said(structures, name):
    residues, kind = USABLE[name]
    protein = read_structure(structures / "bad" / name)
    assert len(protein) == residues
    if kind is not None:
        assert any(remark.kind == kind for remark in protein.remarks)


def test_what_is_usable_is_right(structures):
    whole = read_structure(structures / "1ubi.pdb")
    twice = read_structure(structures / "bad" / "duplicate_atoms.pdb")
    assert len(twice.position) == len(whole.position) and (twice.position == whole.position).all()
    same_number = read_structure(structures / "bad" / "duplicate_residue_number.pdb")
    assert same_number.sequence == whole.sequence
    assert same_number.author_number[6:8].tolist() == [7, 7]
    old = read_structure(structures / "bad" / "old_format_1gdr.ent")
    assert set(old.element.tolist()) == {"C"}, "columns 77 and 78 held a line number"
    assert read_structure(structures / "bad" / "model_without_endmdl.pdb", model=2).sequence == whole.sequence
    assert len(read_structure(structures / "bad" / "1a8o_disordered_test.pdb.gz", model=2)) > 80


def test_a_bomb_is_refused_quickly_and_in_little_memory(structures):
    import tracemalloc

    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(InputError, match="too dense"):
        read_structure(structures / "bad" / "bomb.pdb.gz")
    elapsed, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20, "300 MiB of blanks are not held"
    assert elapsed < 5, "about 0.1 s alone on the machine"


def test_dense_but_plausible_gzip_is_read(structures):
    """Many equal remarks pack well; under 8 MiB unpacked the ratio does not count."""
    data = b"REMARK   1\n" * 400_000 + (structures / "1ubi.pdb").read_bytes()
    assert len(read_structure(gzip.compress(data))) == 76


def test_missing_folder_and_unreadable(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.pdb: no such file"):
        read_structure(tmp_path / "nothing.pdb")
    with pytest.raises(InputError, match="this is a folder"):
        read_structure(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_structure("a\0b.pdb")
    with pytest.raises(InputError, match="got int; expected a path or bytes"):
        read_structure(7)
    if os.geteuid() != 0:  # root reads everything
        (tmp_path / "locked.pdb").write_text("x")
        (tmp_path / "locked.pdb").chmod(0)
        with pytest.raises(InputError, match="cannot be read"):
            read_structure(tmp_path / "locked.pdb")


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "file is empty"),
        (b"  \n\n ", "file is empty"),
        (b"BZh91AY&SY", "unknown compression (got bzip2"),
        (b"PK\x03\x04" + bytes(30), "unknown compression (got zip"),
        (gzip.compress(gzip.compress(b"x")), "gzipped twice"),
        (b">sp|P1|X\nMKV\n", "a FASTA sequence"),
        (b'{"atoms": []}', "JSON"),
        (b"some words about proteins\n", "text without a known record"),
        (b"data_x\n_entry.id x\n", "no atoms"),
        (b"HEADER    X\nEND\n", "no atoms"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip"),
    ],
)
def test_content_that_is_something_else(data, said):
    with pytest.raises(InputError) as caught:
        read_structure(data, name="upload")
    assert said in str(caught.value) and str(caught.value).startswith("upload")


def test_letters_in_mmcif_coordinates(structures):
    data = (structures / "1crn.cif").read_bytes()
    rows = [line for line in data.splitlines() if line.startswith(b"ATOM")]
    broken = rows[9].replace(rows[9].split()[10], b"12.3x", 1)
    assert broken != rows[9]
    with pytest.raises(InputError, match=r"x coordinate is not a number \(got '12.3x'"):
        read_structure(data.replace(rows[9], broken))


def test_truncation_anywhere_in_a_coordinate_line_is_noticed(structures):
    data = (structures / "1ubi.pdb").read_bytes()
    begin = data.index(b"ATOM    100 ")
    for cut in (*range(begin + 1, begin + 6), *range(begin + 12, begin + 77, 8)):
        with pytest.raises(InputError, match="cut"):
            read_structure(data[:cut])


def damaged(data: bytes, edits) -> bytes:
    data = bytearray(data)
    for where, what, length in edits:
        position = int(where * len(data))
        data[position : position + length] = what
    return bytes(data)


edits = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=12), st.integers(0, 40)), min_size=1, max_size=20
)


@pytest.mark.parametrize("name", ["1crn.cif", "1ubi.pdb", "1aki.bcif", "3jqh.cif", "2erl.pdb.gz"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(edits=edits)
def test_damaged_files_end_in_a_protein_or_one_line(structures, name, edits):
    data = (structures / name).read_bytes()
    if name.endswith(".gz"):
        data = gzip.decompress(data)  # damage in gzip itself is found by its checksum
    try:
        protein = read_structure(damaged(data, edits))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(protein) and all(str(remark) for remark in protein.remarks)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), prefix=st.sampled_from([b"", b"\x1f\x8b", b"data_", b"ATOM  ", b"\x83"]))
def test_random_bytes_are_refused(data, prefix):
    with pytest.raises(InputError):
        read_structure(prefix + data)


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=5000), level=st.integers(0, 9), padding=st.integers(0, 600))
def test_unpacking_gives_back_what_was_packed(data, level, padding):
    packed = gzip.compress(data, level) + bytes(padding)  # tar pads with zeros
    if data.strip() and data[:2] != b"\x1f\x8b" and not data.startswith((b"BZh", b"PK", b"\xef\xbb\xbf")):
        assert unpack(packed, "x") == data
    assert zlib.crc32(data) == zlib.crc32(gzip.decompress(gzip.compress(data)))
