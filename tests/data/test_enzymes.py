"""Enzymes: what the folder's README says of them, read back, and what is left out of training."""

import json

import numpy as np
import pandas as pd
import pytest

from plait.data.enzymes import BINS, HEAD, TERMS, Enzymes, EnzymesConfig, read_terms, terms_of
from plait.errors import InputError


@pytest.fixture(scope="module")
def labels(shared):
    return shared / "data" / "labels"


@pytest.fixture(scope="module")
def opened(shared, labels):
    def make(**options):
        return Enzymes(EnzymesConfig(folder=str(labels), corpus=str(shared / "data" / "corpus"), **options))

    return make


@pytest.fixture(scope="module")
def official(labels):
    table = pd.read_parquet(labels / "ec_official.parquet")
    return table[table["corpus_id"].notna()]


def test_the_test_is_the_official_one_with_its_bins(opened):
    """README: of the test chains with a structure 143, 171, 208, 260 and 354 are below 30 to 95 % identity."""
    test = opened(split="test")
    below = np.array([test[index].protein_labels["below"] for index in range(len(test))])
    assert len(test) == 354
    assert below.sum(0).tolist() == [143, 171, 208, 260, 354]
    assert BINS == (30, 40, 50, 70, 95)
    assert (np.diff(below, axis=1) >= 0).all()


def test_labels_are_those_of_the_table(opened, official, labels):
    terms = json.loads((labels / "ec_terms.json").read_text())
    test = opened(split="test")
    rows = official.set_index("chain")
    assert len(terms) == TERMS
    for at in range(0, len(test), 23):
        example, row = test[at], rows.loc[test.ids[at]]
        found = {terms[i] for i in np.flatnonzero(example.protein_labels["ec"])}
        assert found == set(row["ec"].split(","))
        assert example.protein_labels["ec"].shape == (538,)
        assert example.protein.source == row["corpus_id"]
    assert test.classes == {HEAD: tuple(terms)}


def test_transferred_numbers_count_at_both_levels(opened, labels):
    table = pd.read_parquet(labels / "ec_by_sequence.parquet").set_index("corpus_id")
    train = opened(source="by-sequence")
    for at in range(0, len(train), 97):
        found = {train.terms[i] for i in np.flatnonzero(train[at].protein_labels["ec"])}
        numbers = table.loc[train.ids[at], "ec"].split(",")
        assert found == {
            term for term in train.terms if term in numbers or term in {n.rsplit(".", 1)[0] + ".-" for n in numbers}
        }
        assert found
    assert terms_of(["2.7.7.6", "9.9.9.9"], ("2.7.7.-", "2.7.7.6", "2.7.7.7")) == {"2.7.7.-", "2.7.7.6"}


@pytest.mark.parametrize("source", ["both", "official", "by-sequence"])
def test_training_shares_no_chain_and_no_cluster_with_later_splits(opened, official, shared, source):
    """README: leave out chains that are, or share a cluster with, official test chains."""
    clusters = pd.read_parquet(shared / "data" / "corpus" / "index.parquet").set_index("id")["cluster"]
    test = official[official["split"] == "test"]["corpus_id"]
    for split in ("train", "valid"):
        dataset = opened(split=split, source=source)
        chains = {dataset[index].protein.source for index in range(len(dataset))}
        assert not chains & set(test)
        assert not set(dataset.clusters) & set(clusters[test])
    assert not set(opened(source=source).clusters) & set(opened(split="valid", source=source).clusters)


def test_official_training_as_it_is(opened, official):
    """All official training chains but those that are, as corpus chains, validation or test chains too."""
    later = set(official[official["split"] != "train"]["corpus_id"])
    expected = official[(official["split"] == "train") & ~official["corpus_id"].isin(later)]
    assert set(opened(source="official", apart=False).ids) == set(expected["chain"])


def test_least_identity_of_transferred_numbers(opened, labels):
    table = pd.read_parquet(labels / "ec_by_sequence.parquet").set_index("corpus_id")["identity"]
    few, many = (opened(source="by-sequence", identity=least) for least in (0.9, 0.6))
    assert set(few.ids) < set(many.ids)
    assert table[list(few.ids)].min() >= 0.9 > table[list(many.ids)].min()
    assert table[list(opened(split="valid", source="by-sequence").ids)].min() >= 0.9


def test_a_list_of_terms_that_is_none_is_named(tmp_path):
    for text, message in (("[1, 2", "unreadable"), ("{}", "no list"), ('["1.1.1.1", "1.1.1.1"]', "no list")):
        (tmp_path / "ec_terms.json").write_text(text)
        with pytest.raises(InputError, match=message):
            read_terms(tmp_path / "ec_terms.json")
