"""Mutations as people write them are read, placed, and refused with what would mend them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.data.mutations import (
    LETTERS,
    Substitution,
    hgvs,
    likeliest_shift,
    parse_mutant,
    parse_mutants,
    parse_substitution,
    place_mutants,
)
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.reading import read_structure


def protein_of(sequence: str, **keywords) -> Protein:
    rng = np.random.default_rng(0)
    return Protein.from_backbone(sequence, rng.normal(size=(len(sequence), 4, 3)), **keywords)


@pytest.mark.parametrize(
    ("text", "wild_type", "number", "code", "mutated"),
    [
        ("A24C", "A", 24, "", "C"),
        (" A24C ", "A", 24, "", "C"),
        ("a24c", "A", 24, "", "C"),
        ("A52aC", "A", 52, "a", "C"),
        ("A-3C", "A", -3, "", "C"),
        ("A24A", "A", 24, "", "A"),
        ("p.Ala24Cys", "A", 24, "", "C"),
        ("p.(Ala24Cys)", "A", 24, "", "C"),
        ("Ala24Cys", "A", 24, "", "C"),
        ("p.ALA24CYS", "A", 24, "", "C"),
        ("p.A24C", "A", 24, "", "C"),
        ("p.Ala24=", "A", 24, "", "A"),
        ("Ala52ACys", "A", 52, "A", "C"),
    ],
)
def test_a_substitution_is_read_in_every_notation(text, wild_type, number, code, mutated):
    assert parse_substitution(text) == Substitution(wild_type, number, code, mutated)


@given(st.sampled_from(LETTERS), st.integers(1, 9999), st.sampled_from(LETTERS))
def test_hgvs_is_read_back(before, position, after):
    assert parse_substitution(hgvs([before], [position], [after])) == Substitution(before, position, "", after)


@pytest.mark.parametrize(
    "text", ["A24C:D30E", "A24C;D30E", "A24C/D30E", "p.[Ala24Cys;Asp30Glu]", "NP_000537.3:p.A24C;D30E"]
)
def test_several_substitutions_of_one_mutant(text):
    assert [str(one) for one in parse_mutant(text).substitutions] == ["A24C", "D30E"]


def test_hgvs_of_several_is_one_bracket():
    assert hgvs("AD", [24, 30], "CE") == "p.[Ala24Cys;Asp30Glu]"


def test_a_list_is_separated_by_commas():
    assert [one.text for one in parse_mutants("A24C, D30E:K31R")] == ["A24C", "D30E:K31R"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A24B", "'B'"),
        ("A24X", "'X'"),
        ("Alx24Cys", "'Alx'"),
        ("A24*", "stop codons"),
        ("p.Ala24Ter", "stop codons"),
        ("p.Ala24del", "deletions"),
        ("p.Ala24_Asp30del", "deletions"),
        ("p.Ala24fs", "frame shifts"),
        ("p.Ala24_Asp25insGly", "insertions"),
        ("WT", "Leave the row out"),
        ("24", "unreadable"),
        ("", "empty"),
        ("A24C:", "empty"),
        ("A24C:A24D", "occurs twice"),
        ("A24C@A:D30E@B", "two chains"),
    ],
)
def test_what_cannot_be_scored_is_said(text, says):
    with pytest.raises(InputError) as caught:
        parse_mutant(text)
    assert says in str(caught.value)


def test_an_empty_item_of_a_list_is_named_by_its_place():
    with pytest.raises(InputError, match="mutation 2 of 3"):
        parse_mutants("A24C,,D30E")


def test_a_table_given_as_mutations_is_pointed_to_its_option(tmp_path):
    table = tmp_path / "mutants.csv"
    table.write_text("mutant\nA24C\n")
    with pytest.raises(InputError, match=r"(?s)a file in place of mutations.*--csv"):
        parse_mutants(str(table))


def test_a_file_named_like_a_mutation_is_a_mutation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A24C").write_text("")
    assert [one.text for one in parse_mutants("A24C")] == ["A24C"]


def test_positions_count_residues_that_are_present():
    protein = protein_of("MKVA", author_number=[5, 6, 10, 11])
    (placed,) = place_mutants([parse_mutant("V3C:A4D")], protein)
    assert placed.residues == (2, 3)
    (placed,) = place_mutants([parse_mutant("V10C:A11D")], protein, numbering="author")
    assert placed.residues == (2, 3)
    assert [LETTERS[t] for t in placed.types] == ["C", "D"]


def test_author_numbers_with_insertion_codes_in_a_kabat_antibody(structures):
    protein = read_structure(structures / "2d7t.pdb.gz")
    inserted = np.nonzero(protein.insertion_code != "")[0]
    assert len(inserted) == 4  # counted in facts.json with gemmi and with biotite
    index = inserted[0]
    letter = protein.sequence[index]
    for code in (protein.insertion_code[index], protein.insertion_code[index].lower()):
        text = f"{letter}{protein.author_number[index]}{code}{'A' if letter != 'A' else 'C'}@{protein.chain[index]}"
        (placed,) = place_mutants([parse_mutant(text)], protein, numbering="author")
        assert placed.residues == (index,)
    with pytest.raises(InputError, match="--numbering author"):
        place_mutants([parse_mutant(text)], protein)


def test_negative_author_numbers(structures):
    protein = read_structure(structures / "1o1z.pdb.gz")
    assert protein.author_number[0] == -3
    letter = protein.sequence[0]
    mutant = parse_mutant(f"{letter}-3{'A' if letter != 'A' else 'C'}")
    assert place_mutants([mutant], protein, numbering="author")[0].residues == (0,)


def test_copies_of_a_chain_all_get_the_mutant(structures):
    protein = read_structure(structures / "1hvr.pdb.gz")
    placed = place_mutants([parse_mutant("P1A"), parse_mutant("Q2A@B")], protein)
    assert [(one.number, one.chain) for one in placed] == [(0, "A"), (0, "B"), (1, "B")]


def test_a_mutant_finds_the_chain_that_it_fits(structures):
    protein = read_structure(structures / "4zhl.cif.gz")
    peptide = protein.select_chain("P").sequence
    other = protein.select_chain("U").sequence
    position = next(i for i in range(len(peptide)) if peptide[i] != other[i])
    mutant = parse_mutant(f"{peptide[position]}{position + 1}{'A' if peptide[position] != 'A' else 'G'}")
    assert [one.chain for one in place_mutants([mutant], protein)] == ["P"]


def test_a_wrong_wild_type_shows_position_got_expected_and_shift():
    sequence = "MKVLATRGDEWQHY"
    shifted = [f"{letter}{position + 25}A" for position, letter in enumerate(sequence, 1) if letter != "A"]
    with pytest.raises(InputError) as caught:
        place_mutants(parse_mutants(shifted), protein_of(sequence))
    assert "-25 added to every position 13 of 13 wild types fit" in str(caught.value)
    with pytest.raises(InputError) as caught:
        place_mutants(parse_mutants("M1A,K2A,L3A"), protein_of(sequence))
    error = caught.value
    assert (error.got, error.expected) == ("L", "V")
    assert error.place == "mutation 3 of 3"
    assert "position 3" in str(error)
    assert "added to every" not in str(error)


def test_the_other_numbering_is_suggested_when_it_fits():
    protein = protein_of("MKVLAT", author_number=range(101, 107))
    with pytest.raises(InputError, match="--numbering author"):
        place_mutants(parse_mutants("K102A,V103A"), protein)
    with pytest.raises(InputError, match="--numbering sequence"):
        place_mutants(parse_mutants("K2A,V3A"), protein, numbering="author")


def test_a_position_out_of_range_shows_the_range():
    with pytest.raises(InputError, match="sequence positions 1 to 6"):
        place_mutants(parse_mutants("W7A"), protein_of("MKVLAT"))


@given(st.integers(-50, 50).filter(bool), st.integers(0, 2**32 - 1))
def test_the_shift_of_a_whole_list_is_found(offset, seed):
    rng = np.random.default_rng(seed)
    sequence = "".join(rng.choice(list(LETTERS), size=60))
    mutants = [parse_mutant(f"{a}{i + 1 - offset}{'A' if a != 'A' else 'C'}") for i, a in enumerate(sequence)]
    found = likeliest_shift(mutants, protein_of(sequence), "A")
    assert found[:3] == (offset, 60, 60)


def test_an_unknown_residue_fits_any_wild_type():
    (placed,) = place_mutants([parse_mutant("K2A")], protein_of("MXV"))
    assert placed.residues == (1,)


def test_an_unknown_chain_is_named_with_those_there_are():
    with pytest.raises(InputError, match="one of A"):
        place_mutants([parse_mutant("M1A@Q")], protein_of("MKV"))
