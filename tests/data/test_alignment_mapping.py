"""Each residue of a chain finds its column, or none; another protein's alignment is refused."""

import numpy as np
import pytest

from plait.data.alignment_files import read_alignment
from plait.data.alignment_mapping import map_chain
from plait.errors import InputError
from plait.structure.reading import read_structure
from plait.structure.vocabulary import encode


@pytest.fixture(scope="module")
def sequence(structures):
    return read_structure(structures / "1ubi.pdb").sequence


@pytest.fixture
def aligned(tmp_path):
    def write(*rows, name="x.a3m"):
        path = tmp_path / name
        path.write_text("".join(f">s{number}\n{row}\n" for number, row in enumerate(rows)))
        return read_alignment(path)

    return write


def letters_there(alignment, mapping) -> str:
    """The letters of the mapped row in the chain's columns."""
    row = alignment.columns[mapping.row]
    return "".join("ACDEFGHIKLMNPQRSTVWYX-"[row[at]] if at >= 0 else "." for at in mapping.column)


def test_the_whole_chain(aligned, sequence):
    mapping = map_chain(aligned(sequence), encode(sequence))
    assert mapping.column.tolist() == list(range(76))
    assert (mapping.row, mapping.identity, mapping.differences) == (0, 1.0, ())


def test_residues_missing_in_the_structure(aligned, sequence):
    there = np.array([*range(3, 25), *range(36, 70)])
    mapping = map_chain(aligned(sequence), encode("".join(sequence[i] for i in there)))
    assert mapping.column.tolist() == there.tolist()
    assert mapping.identity == 1


@pytest.mark.parametrize("row", ["GHWTYCAAAAAAAAAAPLKIHGFDSE", "MKVLAGHWTYCQEQEQEQEQPLKIHGFDSE"])
def test_numbers_say_where_equal_letters_leave_a_gap_open(aligned, row):
    length = len(row)
    for start in range(10, 20):
        for stop in range(start + 1, 21):
            there = np.array([*range(start), *range(stop, length)])
            chain = encode("".join(row[i] for i in there))
            assert map_chain(aligned(row), chain, there + 100).column.tolist() == there.tolist()
            silent = map_chain(aligned(row), chain, np.arange(len(there)))  # renumbered: any placing with these letters
            assert "".join(row[i] for i in silent.column) == "".join(row[i] for i in there)


def test_residues_that_the_alignment_lacks(aligned, sequence):
    tagged = "HHHHHH" + sequence + "GSGS"
    alignment = aligned(sequence[:40] + sequence[46:])
    mapping = map_chain(alignment, encode(tagged))
    assert mapping.column[:6].tolist() == [-1] * 6
    assert mapping.column[-4:].tolist() == [-1] * 4
    assert letters_there(alignment, mapping) == "." * 6 + sequence[:40] + "." * 6 + sequence[46:] + "." * 4


def test_insertions_of_the_first_sequence_are_in_no_column(aligned, sequence):
    written = sequence[:20] + sequence[20:25].lower() + sequence[25:]
    mapping = map_chain(aligned(written), encode(sequence))
    assert mapping.column.tolist() == [*range(20), *[-1] * 5, *range(20, 71)]


def test_columns_in_which_the_first_sequence_has_a_gap_are_passed_over(aligned, sequence):
    mapping = map_chain(aligned(sequence[:10] + "---" + sequence[10:], name="x.fasta"), encode(sequence))
    assert mapping.column.tolist() == [*range(10), *range(13, 79)]


def test_mutations_are_listed_and_unknown_residues_are_none(aligned, sequence):
    chain = "X" + sequence[1:9] + "W" + sequence[10:]
    mapping = map_chain(aligned(sequence), encode(chain))
    assert mapping.differences == ((9, sequence[9]),)
    assert mapping.identity == pytest.approx(74 / 75)
    assert mapping.column.tolist() == list(range(76))


def test_one_chain_of_a_paired_alignment(aligned, sequence, structures):
    other = read_structure(structures / "1crn.cif").sequence
    mapping = map_chain(aligned(other + sequence), encode(sequence))
    assert mapping.column.tolist() == list(range(46, 122))


def test_the_best_matching_sequence_where_the_first_does_not_match(aligned, sequence):
    rng = np.random.default_rng(0)

    def changed(share):
        return "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY")) if rng.random() < share else a for a in sequence)

    rows = [changed(0.7), changed(0.6), changed(0.1), sequence, *(changed(0.8) for _ in range(20))]
    mapping = map_chain(aligned(*rows), encode(sequence))
    assert (mapping.row, mapping.identity) == (3, 1.0)


def test_another_proteins_alignment_is_refused(aligned, sequence, structures):
    other = read_structure(structures / "1a8o.pdb").sequence
    with pytest.raises(InputError, match=r"x\.a3m: no sequence of the alignment matches the chain \(got at best 's0'"):
        map_chain(aligned(other, other[::-1]), encode(sequence))


def test_a_distant_homolog_alone_is_refused(aligned, sequence):
    rng = np.random.default_rng(1)
    half = "".join("ACDEFGHIKLMNPQRSTVWY"[rng.integers(20)] if i % 2 else a for i, a in enumerate(sequence))
    with pytest.raises(InputError, match="80% the same"):
        map_chain(aligned(half), encode(sequence))


def test_a_few_residues_match_nothing(aligned, sequence):
    with pytest.raises(InputError, match="at least 10 residues"):
        map_chain(aligned(sequence), encode(sequence[20:26]))


def test_a_small_part_of_both_is_no_match(aligned, sequence, structures):
    other = read_structure(structures / "1a8o.pdb").sequence
    with pytest.raises(InputError, match="no sequence of the alignment"):
        map_chain(aligned(other + sequence[:15]), encode(sequence[:15] + other[::-1]))
