"""A folder of mutational scans: what is read, and what is said of a broken one."""

import csv

import numpy as np
import pytest

from plait.data.assays import (
    check_target,
    content_digest,
    read_assays,
    read_chain,
    read_measurements,
    read_published,
)
from plait.errors import InputError
from plait.structure.vocabulary import RESIDUES

REFERENCE = "DMS_id,UniProt_ID,coarse_selection_type,structure\none,P,Activity,p.pdb\n"


@pytest.fixture
def folder(tmp_path, structures):
    for name in ("assays", "structures"):
        (tmp_path / name).mkdir()
    (tmp_path / "reference.csv").write_text(REFERENCE)
    (tmp_path / "structures" / "p.pdb").write_bytes((structures / "1ubi.pdb").read_bytes())
    (tmp_path / "assays" / "one.csv").write_text("mutant,DMS_score\nM1A,0.5\nQ2A:I3L,-1e-1\n")
    return tmp_path


def measured(folder, text):
    (folder / "assays" / "one.csv").write_text(text)
    return read_measurements(read_assays(folder)[0])


def test_the_shared_assays_are_read(shared):
    """Numbers of assays and of mutants as its README and reference state them."""
    folder = shared / "data" / "dms"
    assays = read_assays(folder)
    with (folder / "reference.csv").open() as file:
        stated = {row["DMS_id"]: int(row["n_mutants"]) for row in csv.DictReader(file)}
    assert [one.id for one in assays] == list(stated)
    for assay in assays:
        if stated[assay.id] < 1100:
            measurements, protein = read_measurements(assay), read_chain(assay.structure)
            check_target(assay, protein)
            assert len(measurements.values) == stated[assay.id]
            assert len(measurements.places(protein).start) == stated[assay.id]
    assert read_published(folder, "spearman").loc["BLAT_ECOLX_Jacquier_2013", "ESM2 (650M)"] == 0.704


def test_scores_of_mutants_add_up(folder):
    assay = read_assays(folder)[0]
    protein = read_chain(assay.structure)
    matrix = np.arange(76 * 20).reshape(76, 20)
    scores = read_measurements(assay).places(protein).scores(matrix)
    alanine, leucine = RESIDUES.index("A"), RESIDUES.index("L")
    assert scores.tolist() == [matrix[0, alanine], matrix[1, alanine] + matrix[2, leucine]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mutant,DMS_score\nM1A,high\n", r"one\.csv, row 1: not a measurement \(got 'high'"),
        ("mutant,DMS_score\nM1A,1\nQ2A,\n", r"one\.csv, row 2: not a measurement"),
        ("mutant,DMS_score\nM1A,inf\n", r"row 1: not a measurement"),
        ("mutant,DMS_score\nM1A,1\nM1C,2\np.Met1Ala,3\n", r"rows 1 and 3: p\.Met1Ala is measured twice"),
        ("mutant,DMS_scor\nM1A,1\n", r"no column 'DMS_score'"),
        ("mutant,DMS_score\nM1*,1\n", r"stop codons"),
        ("mutant,DMS_score\n", r"no rows"),
        ("", r"empty"),
        ("mutant,DMS_score\nM1A,1,2\n", r"row 1 .*does not fit the header"),
    ],
)
def test_a_broken_table_is_named_with_its_place(folder, text, said):
    with pytest.raises(InputError, match=said):
        measured(folder, text)


def test_wrong_wild_types_are_named(folder):
    table = measured(folder, "mutant,DMS_score\nM1A,1\nQ3A,2\n")
    with pytest.raises(InputError, match=r"one\.csv.*Q3A: wrong wild type at sequence position 3"):
        table.places(read_chain(read_assays(folder)[0].structure))


def test_the_structure_must_have_the_target_sequence(folder, structures):
    sequence = read_chain(folder / "structures" / "p.pdb").sequence
    for target, place in ((sequence[:20] + "W" + sequence[21:], 21), (sequence + "A", 77), (sequence[:-1], 76)):
        (folder / "reference.csv").write_text(
            f"DMS_id,UniProt_ID,coarse_selection_type,structure,target_seq\none,P,Activity,p.pdb,{target}\n"
        )
        assay = read_assays(folder)[0]
        with pytest.raises(InputError, match=rf"p\.pdb, residue {place}: not the target sequence of one"):
            check_target(assay, read_chain(assay.structure))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DMS_id,UniProt_ID,structure\na,b,c\n", "no column 'coarse_selection_type'"),
        (REFERENCE + "one,Q,Activity,q.pdb\n", "DMS_id stands there twice .*one"),
        (REFERENCE + "../two,Q,Activity,q.pdb\n", "row 2: not a name in column 'DMS_id'"),
        (REFERENCE + "two,Q,Activity,/etc/passwd\n", "row 2: not a name in column 'structure'"),
        (REFERENCE + "two,Q\n", "row 2: the row does not fit the header"),
        (REFERENCE.splitlines()[0] + "\n", "no rows"),
        ("", "no column"),
    ],
)
def test_a_broken_reference_is_named(folder, text, said):
    (folder / "reference.csv").write_text(text)
    with pytest.raises(InputError, match=r"reference\.csv.*" + said):
        read_assays(folder)


def test_missing_folders_and_files_are_named(folder):
    with pytest.raises(InputError, match="no such data folder"):
        read_assays(folder / "nowhere")
    (folder / "reference.csv").unlink()
    with pytest.raises(InputError, match=r"reference\.csv"):
        read_assays(folder)
    with pytest.raises(InputError, match=r"gone\.pdb"):
        content_digest(folder / "gone.pdb")


def test_published_values(folder):
    assert read_published(folder, "ndcg") is None
    (folder / "published_ndcg.csv").write_text("DMS_id,NA,B\none,0.5,\n")
    table = read_published(folder, "ndcg")
    assert table.loc["one", "NA"] == 0.5
    assert np.isnan(table.loc["one", "B"])
    (folder / "published_ndcg.csv").write_text("DMS_id,A\none,good\n")
    with pytest.raises(InputError, match=r"published_ndcg\.csv, one, column 'A': not a number"):
        read_published(folder, "ndcg")


def test_names_that_look_absent_are_kept(folder):
    """NA and None are identifiers like others, not missing values."""
    (folder / "reference.csv").write_text(REFERENCE + "NA,None,NULL,nan\n")
    assay = read_assays(folder)[1]
    assert (assay.id, assay.protein, assay.selection, assay.structure.name) == ("NA", "None", "NULL", "nan")
