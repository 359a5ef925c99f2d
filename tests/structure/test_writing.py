"""What is written is read back as it was."""

import dataclasses
import json
import os
from pathlib import Path

import gemmi
import numpy as np
import pytest

from plait.errors import InputError
from plait.structure import read_structure
from plait.structure.protein import Protein
from plait.structure.writing import write_structure

FOLDER = Path(os.environ.get("PLAIT_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data" / "structures"
NAMES = sorted(json.loads((FOLDER / "facts.json").read_text())) if (FOLDER / "facts.json").is_file() else []


@pytest.mark.parametrize("ending", [".pdb", ".cif"])
@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name, ending, tmp_path):
    protein = read_structure(FOLDER / name)
    again = read_structure(write_structure(protein, tmp_path / f"x{ending}"))
    same = {field.name for field in dataclasses.fields(protein)} - {"hetero", "remarks", "source", "b_factor"}
    if ending == ".pdb" or not protein.chains[0]:
        same.remove("label_chain")  # PDB has none, and mmCIF no blank one
    for field in same:
        assert np.array_equal(getattr(protein, field), getattr(again, field)), field
    # Two decimals in a PDB file.
    assert np.allclose(protein.b_factor, again.b_factor, atol=0.00501)
    kept = protein.hetero.select(protein.hetero.kind != "water")
    for field in dataclasses.fields(kept):
        if field.name != "group":
            assert np.array_equal(getattr(kept, field.name), getattr(again.hetero, field.name)), field.name
    starts = np.flatnonzero(np.diff(kept.group))
    assert np.array_equal(starts, np.flatnonzero(np.diff(again.hetero.group))), "the same molecules"


@pytest.mark.parametrize("ending", [".pdb", ".cif", ".pdb.gz", ".cif.gz", ".ent"])
def test_values_in_the_b_factor_column(structures, tmp_path, ending):
    """Read with gemmi, which knows nothing of plait."""
    protein = read_structure(structures / "2d7t.pdb.gz")
    values = np.linspace(-1.5, 99.25, len(protein))
    values[3] = np.nan
    path = write_structure(protein, tmp_path / f"x{ending}", values=values)
    expected = dict(
        zip(
            zip(protein.chain.tolist(), protein.author_number.tolist(), protein.insertion_code.tolist()),
            np.nan_to_num(values).tolist(),
        )
    )
    residues = 0
    for chain in gemmi.read_structure(str(path))[0]:
        for residue in chain:
            residues += 1
            key = (chain.name, residue.seqid.num, residue.seqid.icode.strip())
            assert [atom.b_iso for atom in residue] == pytest.approx([expected[key]] * len(residue), abs=0.006)
    assert residues == len(protein)
    again = read_structure(path)
    assert not again.predicted, "one value a residue is not taken for pLDDT"


def test_absent_values_are_counted_in_the_file(structures, tmp_path):
    protein = read_structure(structures / "1crn.cif")
    values = np.where(np.arange(len(protein)) < 5, np.nan, 1.0)
    for ending in (".pdb", ".cif"):
        assert "ABSENT FOR 5 RESIDUES" in write_structure(protein, tmp_path / f"x{ending}", values=values).read_text()


def test_waters_are_left_out_and_ligands_kept(structures, tmp_path):
    text = write_structure(read_structure(structures / "1atp.pdb.gz"), tmp_path / "x.pdb").read_text()
    assert "HOH" not in text and " ATP E 355" in text
    assert text.count("\nTER") == 2


def test_author_names_are_kept_beside_label_names(structures, tmp_path):
    protein = read_structure(structures / "5zng.cif.gz")
    path = write_structure(protein, tmp_path / "x.cif")
    table = gemmi.cif.read(str(path)).sole_block().find("_atom_site.", ["auth_asym_id", "label_asym_id", "auth_seq_id"])
    pairs = {(row[0], row[1]) for row in table}
    assert pairs == {("A", "A"), ("C", "B")}
    assert read_structure(path, chain="B").chain_lengths == {"C": 62}


def test_old_file_stays_when_writing_fails(structures, tmp_path):
    protein = read_structure(structures / "1crn.cif")
    path = tmp_path / "x.pdb"
    path.write_text("before")
    with pytest.raises(InputError, match="one value per residue"):
        write_structure(protein, path, values=np.zeros(3))
    with pytest.raises(InputError, match="value too large for the B-factor column"):
        write_structure(protein, path, values=np.full(46, 1e6))
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.pdb"], "nothing half-written"


def test_what_a_pdb_file_cannot_hold(structures, tmp_path):
    protein = read_structure(structures / "1crn.cif")
    two = protein.replace(chain=np.full(len(protein), "AA"))
    with pytest.raises(InputError, match=r"chain identifier too long \(got 'AA'; expected one character\). Write .cif"):
        write_structure(two, tmp_path / "x.pdb")
    assert read_structure(write_structure(two, tmp_path / "x.cif")).chains == ("AA",)
    residues = 25_001
    backbone = np.random.default_rng(0).normal(size=(residues, 4, 3)) * 50
    large = Protein.from_backbone("A" * residues, backbone)
    with pytest.raises(InputError, match="too many atoms"):
        write_structure(large, tmp_path / "x.pdb")
    with pytest.raises(InputError, match="coordinate too large"):
        write_structure(protein.with_positions(protein.position + 9990), tmp_path / "x.pdb")


def test_places_that_cannot_be_written(structures, tmp_path):
    protein = read_structure(structures / "1crn.cif")
    with pytest.raises(InputError, match="unknown ending"):
        write_structure(protein, tmp_path / "x.xyz")
    with pytest.raises(InputError, match="cannot be written"):
        write_structure(protein, tmp_path / "no" / "x.pdb")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_structure(protein, tmp_path / "file" / "x.pdb")
    (tmp_path / "folder.pdb").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_structure(protein, tmp_path / "folder.pdb")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.pdb"]
