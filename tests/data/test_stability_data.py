"""Measured stability: what its README says of it, read back."""

import json
import shutil

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

from plait.data.stability import Stability, StabilityConfig
from plait.errors import InputError
from plait.structure.vocabulary import ATOMS, RESIDUES, THREE_LETTER

# README, "Flags and splits": rows (proteins) of train, valid and test, quality C and proteins without structure among
# them.
README_COUNTS = {
    ("nothing", "megascale"): [(35736, 77), (1750, 7), (5311, 10)],
    ("nothing", "curated"): [(3187, 149), (489, 31), (1292, 132)],
    ("near_eval", "megascale"): [(12991, 50), (1750, 7), (3090, 8)],
    ("near_eval", "curated"): [(2855, 124), (480, 30), (1201, 124)],
    ("near_dms", "megascale"): [(5443, 36), (782, 6), (1636, 6)],
    ("near_dms", "curated"): [(1719, 116), (480, 30), (943, 113)],
}


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "stability"


@pytest.fixture
def opened(folder):
    def make(**options):
        return Stability(StabilityConfig(folder=str(options.pop("folder", folder)), **options))

    return make


@pytest.mark.parametrize(("exclude", "kinds"), README_COUNTS)
def test_counts_are_those_of_the_readme(opened, exclude, kinds):
    for split, expected in zip(("train", "valid", "test"), README_COUNTS[exclude, kinds]):
        found = opened(split=split, exclude=exclude, kinds=kinds, quality="MABC", structure=False)
        assert (found.measured.sum(), len(found)) == expected


def test_labels_hold_every_row_of_the_table_once(opened, folder):
    rows = parquet.read_table(folder / "measurements.parquet").to_pylist()
    table = {(row["protein"], row["position"], row["mutant"]): row for row in rows}
    found = 0
    for split in ("valid", "test"):
        dataset = opened(split=split, exclude="nothing", structure=False)
        for index in range(len(dataset)):
            example = dataset[index]
            ddg = example.labels["ddg"]
            position, mutant = np.nonzero(np.isfinite(ddg))
            assert len(position) == dataset.measured[index]
            for place, letter in zip(position, mutant):
                row = table[example.id, place + 1, RESIDUES[letter]]
                assert row["quality"] in "MAB"
                assert row["wildtype"] == example.protein.sequence[place]
                assert ddg[place, letter] == np.float32(row["ddg"])
                assert example.labels[f"ddg_{row['assay']}"][place, letter] == ddg[place, letter]
            found += len(position)
            kinds = [np.isfinite(example.labels[f"ddg_{kind}"]) for kind in ("megascale", "curated")]
            assert np.array_equal(kinds[0] | kinds[1], np.isfinite(ddg))
    splits = {row["id"]: row["split"] for row in parquet.read_table(folder / "proteins.parquet").to_pylist()}
    assert found == sum(row["quality"] != "C" and splits[row["protein"]] != "train" for row in rows)


def test_atoms_stand_in_the_order_of_the_vocabulary(folder):
    slots = json.loads((folder / "atom14.json").read_text())
    assert {letter: tuple(names) for letter, names in slots.items()} == {
        letter: ATOMS[name] for letter, name in zip(RESIDUES[:20], THREE_LETTER)
    }


def test_structures_have_the_geometry_of_proteins_and_no_made_up_atoms(opened):
    dataset = opened(split="test", exclude="nothing")
    bonds, steps = [], []
    for index in range(0, len(dataset), 3):
        protein = dataset[index].protein
        assert np.isfinite(protein.position).all()
        for residue in (0, len(protein) // 2):
            names = protein.atom_name[protein.residue_of == residue].tolist()
            allowed = ATOMS[THREE_LETTER[protein.residue_type[residue]]]
            assert names == [name for name in allowed if name in names]
        bonds.append(np.linalg.norm(protein.atom("CB") - protein.atom("CA"), axis=1))
        steps.append(np.linalg.norm(np.diff(protein.c_alpha, axis=0), axis=1))
    # Engh and Huber's CA-CB bond and the trans peptide's CA-CA distance; coordinates are rounded to 0.01 angstrom
    assert abs(np.nanmedian(np.concatenate(bonds)) - 1.53) < 0.02
    assert abs(np.nanmedian(np.concatenate(steps)) - 3.80) < 0.02


def test_absent_residues_are_absent_and_numbered(opened):
    dataset = opened(kinds="megascale")
    examples = {dataset[index].id: dataset[index] for index in range(len(dataset))}
    protein, labels = examples["MS_2LHR"].protein, examples["MS_2LHR"].labels
    # 23 of its 78 residues are in no structure (README: "structure missing at some termini")
    assert (~protein.has_backbone).sum() == 23
    assert np.array_equal(protein.author_number, np.arange(1, 79))
    assert np.isnan(labels["accessibility"][~protein.has_backbone]).all()
    assert np.isfinite(labels["accessibility"][protein.has_backbone]).all()


def test_a_protein_without_structure_has_residues_only(opened):
    with_all = opened(kinds="megascale", structure=False)
    with_structure = opened(kinds="megascale")
    assert len(with_all) > len(with_structure)
    bare = [with_all[index] for index in range(len(with_all)) if len(with_all[index].protein.position) == 0]
    assert len(bare) == len(with_all) - len(with_structure)
    assert all(np.isfinite(example.labels["ddg"]).any() for example in bare)


def test_options_choose_rows(opened):
    for option in ({"quality": "A"}, {"fewest": 20}, {"kinds": "curated"}):
        assert opened(**option).measured.sum() < opened().measured.sum()
        assert opened(**option).digest != opened().digest
    assert opened(fewest=20).measured.min() >= 20
    with pytest.raises(InputError, match="no protein of the stability data is left"):
        opened(quality="M", kinds="curated")


def test_crop_keeps_labels_beside_residues(opened):
    example = opened()[3]
    part = example.crop(10, 15)
    assert part.protein.sequence == example.protein.sequence[10:25]
    for name, value in example.labels.items():
        assert np.array_equal(part.labels[name], value[10:25], equal_nan=True)


def test_a_measurement_that_does_not_fit_is_named(opened, folder, tmp_path):
    copy = tmp_path / "stability"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    table = parquet.read_table(folder / "measurements.parquet")
    wild_types = table["wildtype"].to_pylist()
    first = opened()[0].id
    row = table["protein"].to_pylist().index(first)
    wild_types[row] = "A" if wild_types[row] != "A" else "G"
    column = table.column_names.index("wildtype")
    parquet.write_table(table.set_column(column, "wildtype", pyarrow.array(wild_types)), copy / "measurements.parquet")
    broken = opened(folder=copy)
    with pytest.raises(InputError, match=f"{first}: a measurement that does not fit"):
        broken[0]
    assert broken[1].id == opened()[1].id
