"""Complexes: what their README says of them, read back, and distances computed again from the atoms."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from plait.data.complexes import Complexes, ComplexesConfig
from plait.errors import InputError
from plait.structure.vocabulary import ATOMS


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "complexes"


@pytest.fixture(scope="module")
def opened(folder):
    def make(split, **options):
        return Complexes(ComplexesConfig(folder=str(folder), split=split, **options))

    return make


@pytest.fixture(scope="module")
def test_split(opened):
    return opened("test")


def test_counts_are_those_of_the_readme(opened):
    everything = {"exclude": "nothing", "heldout": True}
    counts = {split: opened(split, **everything) for split in ("train", "valid", "test", "test_dude", "pretrain")}
    assert [len(one) for one in counts.values()] == [936, 97, 186, 98, 1934]
    assert sum(int(one.lengths.sum()) for one in counts.values()) == 888_397
    assert len(np.unique(counts["train"].clusters)) == 263
    assert len(opened("train", exclude="near_test", heldout=True)) == 936 - 393
    assert len(opened("train", exclude="near_dude", heldout=True)) == 936 - 499
    assert len(opened("train", exclude="near_both")) == 368
    assert sum(len(opened(split, exclude="nothing")) for split in ("train", "valid")) == 936 + 97 - 21


def test_related_entries_share_no_cluster_with_later_splits(opened):
    tests = {*opened("test").clusters, *opened("test_dude").clusters}
    train, valid = opened("train"), opened("valid")
    assert not {*train.clusters} & {*valid.clusters, *tests}
    assert not {*valid.clusters} & tests
    assert len(train) > 300
    assert len(valid) >= 20


def test_an_entry_is_what_the_readme_loads(folder, test_split):
    """The README's own way of reading an entry, beside ours."""
    vocabulary = json.loads((folder / "vocab.json").read_text())
    z, i = dict(np.load(folder / "test.npz").items()), 7
    r, a, l = (slice(*z[k + "_offset"][i : i + 2]) for k in ("res", "atom", "lig"))
    example = test_split[i]
    protein = example.protein
    assert np.allclose(protein.position, z["xyz"][:, a].T / 100 + z["centroid"][i], atol=1e-4)
    names = [vocabulary["atoms"][t] for t in z["atom_type"][a]]
    assert protein.atom_name.tolist() == [name for _, name, _ in names]
    assert protein.residue_name[protein.residue_of].tolist() == [residue for residue, _, _ in names]
    assert protein.author_number.tolist() == z["res_num"][r].tolist()
    row = pd.read_parquet(folder / "index.parquet").set_index("id").loc[example.id]
    assert "/".join(protein.select_chain(chain).sequence for chain in protein.chains) == row["sequence"]
    groups = protein.hetero.group
    for number, centre in enumerate(z["lig_center"][l]):
        # coordinates are rounded to 0.01, the centre is that of the file
        assert np.allclose(protein.hetero.position[groups == number].mean(0), centre, atol=0.01)
        assert set(protein.hetero.residue_name[groups == number]) == {z["lig_name"][l][number]}


def test_distances_are_those_of_the_atoms(test_split):
    for index in (0, 7, 90, 150):
        example = test_split[index]
        protein = example.protein
        nearest = cdist(protein.position, protein.hetero.position).min(1)
        expected = np.array([nearest[protein.residue_of == r].min() for r in range(len(protein))])
        # float16: 3 significant digits and a bit; coordinates to 0.01
        assert np.allclose(example.labels["ligand_distance"], expected, rtol=1e-3, atol=0.02)
        assert np.array_equal(example.labels["binding_site"], example.labels["ligand_distance"] < 4)


def test_share_of_binding_residues_is_that_of_the_index(folder, test_split):
    expected = pd.read_parquet(folder / "index.parquet").set_index("id")["site_fraction_4A"]
    for index in range(0, len(test_split), 9):
        example = test_split[index]
        if len(example.protein) == np.isfinite(example.labels["binding_site"]).sum():
            # one residue may fall on the other side, as distances are stored rounded
            assert abs(example.labels["binding_site"].mean() - expected[example.id]) < 1.5 / len(example.protein)


def test_insertion_codes_and_positions(test_split):
    for index in range(len(test_split)):
        protein = test_split[index].protein
        for chain in protein.chains:
            own = protein.select_chain(chain)
            assert own.sequence_index.tolist() == list(range(len(own)))
        if (protein.insertion_code != "").any():
            break
    labels = [protein.residue_label(i) for i in np.nonzero(protein.insertion_code != "")[0]]
    assert all(label[-1].isalpha() for label in labels)


def test_atoms_are_known_ones(test_split):
    protein = test_split[3].protein
    for residue in range(len(protein)):
        name = str(protein.residue_name[residue])
        atoms = set(protein.atom_name[protein.residue_of == residue].tolist())
        assert name not in ATOMS or atoms <= {*ATOMS[name], "OXT"}


def test_a_copy_without_its_ligand_has_no_labels(opened):
    masked, kept = opened("test"), opened("test", copies="keep")
    index = masked.ids.index("6tl9")  # four chains, two of them with a ligand
    labels, before = masked[index].labels, kept[index].labels
    chain = masked[index].protein.chain
    bare = [c for c in masked[index].protein.chains if np.isnan(labels["binding_site"][chain == c]).all()]
    assert len(bare) == 2
    assert all(before["binding_site"][chain == c].sum() == 0 for c in bare)
    known = ~np.isin(chain, bare)
    assert np.array_equal(labels["ligand_distance"][known], before["ligand_distance"][known])
    assert len(opened("test", copies="drop")) == 184


def test_chains_for_pretraining_have_no_labels_and_no_ligands(opened):
    chains = opened("pretrain")
    example = chains[5]
    assert len(example.protein.hetero) == 0
    assert all(np.isnan(label).all() for label in example.labels.values())


def test_crop_keeps_labels_beside_residues(test_split):
    example = test_split[7]
    part = example.crop(10, 30)
    assert np.array_equal(part.labels["ligand_distance"], example.labels["ligand_distance"][10:40])
    assert part.protein.sequence == example.protein.sequence[10:40]


def test_another_cutoff(test_split, opened):
    wide = opened("test", cutoff=6.0)
    assert wide[2].labels["binding_site"].sum() > test_split[2].labels["binding_site"].sum()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="no such data folder"):
        Complexes(ComplexesConfig(folder=str(tmp_path / "nowhere")))
