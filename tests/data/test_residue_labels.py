"""Labels of corpus chains: what their README says of them, read back."""

import numpy as np
import pandas as pd
import pytest

from plait.data.residue_labels import ResidueLabels, ResidueLabelsConfig
from plait.errors import InputError


@pytest.fixture(scope="module")
def opened(shared):
    def make(ligand, **options):
        folders = {"folder": str(shared / "data" / "labels"), "corpus": str(shared / "data" / "corpus")}
        return ResidueLabels(ResidueLabelsConfig(ligand=ligand, **folders, **options))

    return make


def test_counts_are_those_of_the_readme(opened):
    """GPSite's ATP: 85 chains, 69 of them official train and 16 test; 35,569 labelled residues, 1,225 positive."""
    official = [opened("ATP", official=split) for split in ("train", "test")]
    assert [len(one) for one in official] == [69, 16]
    labels = [one[index].labels["binding_site"] for one in official for index in range(len(one))]
    assert sum(int(np.isfinite(label).sum()) for label in labels) == 35_569
    assert sum(int(np.nansum(label)) for label in labels) == 1_225
    assert sum(len(opened("ATP", split=split)) for split in ("train", "valid", "test")) == 85


def test_labels_stand_beside_the_chains_residues(opened, shared):
    dataset = opened("HEM", split="train")
    index = pd.read_parquet(shared / "data" / "labels" / "residue_index.parquet")
    index = index[index["ligand"] == "HEM"].set_index("corpus_id")
    everything = np.load(shared / "data" / "labels" / "residue_labels.npz")["labels"]
    for at in range(0, len(dataset), 7):
        example, row = dataset[at], index.loc[dataset.ids[at]]
        expected = everything[row["offset"] : row["offset"] + row["length"]]
        found = example.labels["binding_site"]
        assert np.array_equal(np.where(np.isnan(found), 255, found), expected)
        assert len(example.protein) == row["length"] == dataset.lengths[at]
        assert example.cluster == row["cluster"]


def test_several_records_of_a_chain_are_one_example(opened, shared):
    index = pd.read_parquet(shared / "data" / "labels" / "residue_index.parquet")
    index = index[(index["ligand"] == "ZN") & index["corpus_id"].duplicated(keep=False)]
    index = index[index.duplicated(["ligand", "corpus_id"], keep=False)]
    name, records = next(iter(index.groupby("corpus_id")))
    dataset = opened("ZN", split=records["corpus_split"].iloc[0])
    assert dataset.ids.count(name) == 1
    everything = np.load(shared / "data" / "labels" / "residue_labels.npz")["labels"]
    several = np.array([everything[a : a + n] for a, n in zip(records["offset"], records["length"])])
    found = dataset[dataset.ids.index(name)].labels["binding_site"]
    assert np.array_equal(found == 1, (several == 1).any(0))
    assert np.array_equal(np.isnan(found), (several == 255).all(0))


def test_zinc_is_bound_by_cysteine_and_histidine(opened):
    """A check that labels sit on the right residues: chemistry says which."""
    dataset = opened("ZN", split="valid")
    letters = "".join(
        letter
        for at in range(len(dataset))
        for letter, label in zip(dataset[at].protein.sequence, dataset[at].labels["binding_site"])
        if label == 1
    )
    assert sum(letters.count(letter) for letter in "CHDE") > 0.8 * len(letters) > 20


def test_what_is_not_there_is_said(opened):
    with pytest.raises(InputError, match="no labelled chain is left"):
        opened("HEM", split="test")
    with pytest.raises(InputError, match="no labelled chain is left"):
        opened("ATP", official="fold9")
