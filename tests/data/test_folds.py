"""Folds: counts of the folder's README, where segments are cut, and the official lists with structures or without."""

import gzip
import shutil

import numpy as np
import pandas as pd
import pytest

from plait.data.corpus import Corpus, CorpusConfig
from plait.data.folds import CLASSES, HEAD, LEVELS, Folds, FoldsConfig
from plait.errors import InputError


@pytest.fixture(scope="module")
def labels(shared):
    return shared / "data" / "labels"


@pytest.fixture(scope="module")
def opened(shared, labels):
    def make(split="train", **options):
        return Folds(FoldsConfig(folder=str(labels), corpus=str(shared / "data" / "corpus"), split=split, **options))

    return make


@pytest.fixture(scope="module")
def segments(labels):
    return pd.read_parquet(labels / "fold_by_homology.parquet")


def test_counts_are_those_of_the_readme(opened):
    counts = {"train": 5176, "valid": 128, "test_family": 409, "test_superfamily": 910, "test_fold": 221, "test": 1540}
    assert {split: len(opened(split)) for split in counts} == counts
    assert len(opened().folds) == CLASSES["homology"] == 1139


def test_a_segment_is_the_chain_from_start_to_end(opened, segments, shared):
    test = opened("test_fold")
    chains = {}
    for split in ("train", "valid", "test"):
        corpus = Corpus(CorpusConfig(folder=str(shared / "data" / "corpus"), split=split, exclude="nothing"))
        chains |= {name: (corpus, index) for index, name in enumerate(corpus.ids)}
    rows = segments[segments["split"] == "test_fold"]
    for at in range(0, len(test), 31):
        example, row = test[at], rows.iloc[at]
        corpus, index = chains[row["corpus_id"]]
        whole = corpus[index].protein
        assert example.id == f"{row['corpus_id']}/{row['start'] + 1}-{row['end']}"
        assert example.protein.sequence == whole.sequence[row["start"] : row["end"]]
        assert np.array_equal(example.protein.c_alpha, whole.c_alpha[row["start"] : row["end"]], equal_nan=True)
        assert test.folds[example.protein_labels["fold"]] == row["fold"]
        assert LEVELS[example.protein_labels["level"]] == "fold"
        assert len(example.protein) == test.lengths[at]


def test_levels(opened, segments):
    test = opened("test")
    levels = np.array([test[index].protein_labels["level"] for index in range(0, len(test), 11)])
    splits = segments[segments["split"].str.startswith("test")]["split"].to_numpy()[::11]
    assert [f"test_{LEVELS[level]}" for level in levels] == splits.tolist()
    assert opened("valid")[0].protein_labels["level"] == -1


def test_clusters_are_of_one_family_and_splits_keep_them_apart(opened, segments):
    """Within a family no 30 % cluster is on both sides; a chain of two families may be."""
    found = {split: opened(split).clusters for split in ("train", "valid", "test")}
    for split, clusters in found.items():
        rows = segments[segments["split"].str.startswith(split)]
        pairs = list(zip(rows["cluster"], rows["family"]))
        assert len(set(clusters.tolist())) == len(set(pairs)) == len(set(zip(clusters.tolist(), pairs)))
    assert not set(found["train"]) & set(found["test"])
    apart = opened(apart=True)
    chains = {name.split("/")[0] for name in apart.ids}
    held = segments[segments["split"] != "train"]
    rows = segments[segments["corpus_id"].isin(chains)]
    assert not set(rows["cluster"]) & set(held["cluster"])
    assert len(apart.folds) == 1139
    assert 3000 < len(apart) < len(opened())


def test_the_official_lists(opened, labels):
    """README: of 12,312, 736 and 1272 + 1254 + 718 domains, 213, 12 and 22 + 36 + 9 are whole corpus chains."""
    counts = {"train": 213, "valid": 12, "test_family": 22, "test_superfamily": 36, "test_fold": 9}
    assert {split: len(opened(split, source="official")) for split in counts} == counts
    valid = opened("valid", source="official")
    assert len(valid.folds) == CLASSES["official"] == 1195
    assert valid.classes == {HEAD: valid.folds}
    table = pd.read_parquet(labels / "fold_official.parquet").set_index("domain")
    for index in range(len(valid)):
        assert valid.folds[valid[index].protein_labels["fold"]] == table.loc[valid.ids[index], "fold"]


def test_the_official_lists_with_structures_of_ones_own(opened, structures, tmp_path):
    """Any official domains in a folder, here two with a structure that is not theirs, plain and compressed."""
    (tmp_path / "a1").mkdir()
    shutil.copyfile(structures / "1ubi.pdb", tmp_path / "a1" / "d1v4wb_.ent")
    with gzip.open(tmp_path / "d2lhba_.pdb.gz", "wb") as file:
        file.write((structures / "1ubi.pdb").read_bytes())
    (tmp_path / "notes.txt").write_text("no structure")
    train = opened(source="official", structures=str(tmp_path))
    assert train.ids == ("d1v4wb_", "d2lhba_")
    for index in range(2):
        example = train[index]
        assert len(example.protein) == 76
        assert train.folds[example.protein_labels["fold"]] == "a.1"
        assert (example.protein.atom_name == "CB").any()
    (tmp_path / "d2lhba_.pdb.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="d2lhba_"):
        train[1]


def test_what_does_not_fit_is_said(opened, tmp_path):
    with pytest.raises(InputError, match="official lists alone"):
        opened(structures=str(tmp_path))
    with pytest.raises(InputError, match="no structure in the folder"):
        opened(source="official", structures=str(tmp_path))
