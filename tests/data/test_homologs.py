"""Weights and counts of homologs against a plain count of pairs, and by hand."""

import numpy as np
import pytest

from plait.data import homologs as module
from plait.data.alignment_files import read_alignment
from plait.data.homologs import homologs_of, neighbours
from plait.structure.vocabulary import RESIDUES, encode

QUERY = "MKVLAGHWTY"


@pytest.fixture
def aligned(tmp_path):
    def write(*rows):
        path = tmp_path / "x.a3m"
        path.write_text("".join(f">s{number}\n{row}\n" for number, row in enumerate(rows)))
        return read_alignment(path)

    return write


def counted(found, position) -> dict[str, float]:
    return {RESIDUES[t]: round(float(v), 6) for t, v in enumerate(found.count[position]) if v}


def test_by_hand(aligned):
    # s1 shares 7 of its 10 residues with s0 (0.7), s2 shares 6 of 10 with both or fewer, s3 is s2 again
    found = homologs_of(aligned(QUERY, "MKVLAGHAAA", "CCCCAGHWTY", "CCCCAGHWTY"), encode(QUERY))
    assert counted(found, 0) == {"M": 1.0, "C": 1.0}
    assert counted(found, 9) == {"Y": 1.5, "A": 0.5}
    assert found.effective == pytest.approx(2)
    assert found.depth.tolist() == [2.0] * 10
    assert (found.sequences, found.used, found.name) == (4, 4, "s0")


def test_identity_is_of_the_residues_that_a_sequence_has(aligned):
    # the fragment lies wholly in the first sequence; two of its four residues are 20 % of the first one's ten
    found = homologs_of(aligned(QUERY, "MKVL------"), encode(QUERY))
    assert counted(found, 0) == {"M": 1.5}
    assert counted(found, 9) == {"Y": 1.0}


def test_gaps_and_unknown_residues_count_for_nothing(aligned):
    found = homologs_of(aligned(QUERY, "WWWWW--XXW"), encode(QUERY))
    assert counted(found, 5) == {"G": 1.0}
    assert counted(found, 8) == {"T": 1.0}
    assert counted(found, 0) == {"M": 1.0, "W": 1.0}


def test_sequences_with_too_many_gaps_are_left_out_but_never_the_chains_own(aligned):
    chain = QUERY + "CDEFGIKLNPQRSTVWAAAA"
    found = homologs_of(aligned(QUERY + "-" * 20, "-" * 21 + "W" * 9, "-" * 22 + "W" * 8, "W" * 30), encode(QUERY))
    assert found.used == 2  # the chain has ten columns, of which the second and third fill none
    assert found.sequences == 4
    found = homologs_of(aligned(chain, "-" * 21 + "W" * 9, "-" * 22 + "W" * 8), encode(chain))
    assert found.used == 2  # 9 of 30 are 30 %, 8 are not


def test_a_residue_without_a_column_has_no_homologs(aligned):
    found = homologs_of(aligned(QUERY, "W" * 10), encode("GS" + QUERY))
    assert found.covered.tolist() == [False] * 2 + [True] * 10
    assert found.depth.tolist() == [0.0] * 2 + [2.0] * 10


@pytest.mark.parametrize("identity", [0.62, 0.8])
@pytest.mark.parametrize("columns", [1, 30, 300])
def test_neighbours_are_those_of_a_plain_count(identity, columns, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(module, "_WIDE", 20)
    rng = np.random.default_rng(columns)
    parents = rng.integers(0, 20, (6, columns))
    rows = parents[rng.integers(0, 6, 60)]
    drawn = rng.integers(0, 22, rows.shape)
    rows = np.where(rng.random(rows.shape) < rng.random((60, 1)) * 0.6, drawn, rows).astype(np.uint8)
    copies = rng.integers(1, 4, 60)
    expected = np.zeros(60)
    for one in range(60):
        own = rows[one] < 20
        for two in range(60):
            if one == two or (rows[one] == rows[two])[own].sum() >= identity * own.sum() - 1e-9:
                expected[one] += copies[two]
    assert np.array_equal(neighbours(rows, copies, identity), expected)


def test_more_copies_of_a_sequence_change_nothing_but_their_number(aligned):
    rows = [QUERY, "MKVLAWWWWW", "CCCCCGHWTY"]
    once, often = (
        homologs_of(aligned(*rows), encode(QUERY)),
        homologs_of(aligned(*rows, rows[2], rows[2]), encode(QUERY)),
    )
    np.testing.assert_allclose(often.count, once.count, rtol=1e-6)  # float32
    assert (once.used, often.used) == (3, 5)
