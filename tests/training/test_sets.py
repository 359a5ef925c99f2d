"""Which examples a run learns from and which judge it."""

import numpy as np
import pytest

from plait.config import Part, from_dict
from plait.data.complexes import ComplexesConfig
from plait.data.corpus import CorpusConfig
from plait.errors import InputError
from plait.training.options import PretrainConfig
from plait.training.sets import essence_of, named, training_and_validation


def complexes(shared, **options):
    return Part("complexes", ComplexesConfig(folder=str(shared / "data" / "complexes"), **options))


def test_a_recipe_without_a_name_reads_the_corpus(shared):
    folder = str(shared / "data" / "corpus")
    config = from_dict(PretrainConfig, {"data": {"folder": folder, "split": "valid", "exclude": "nothing"}})
    assert config.data == Part("corpus", CorpusConfig(folder=folder, split="valid", exclude="nothing"))
    train, valid = training_and_validation(config.data)
    assert len(valid) < len(train) and max(valid.lengths) <= 1000 < max(train.lengths)


def test_the_split_valid_judges_the_split_train(shared):
    train, valid = training_and_validation(complexes(shared))
    assert not set(train.clusters.tolist()) & set(valid.clusters.tolist())
    assert valid.config.split == "valid" and valid.config.exclude == train.config.exclude


def test_a_split_without_validation_holds_clusters_out(shared):
    train, valid = training_and_validation(complexes(shared, split="pretrain"))
    assert not set(train.clusters.tolist()) & set(valid.clusters.tolist())
    assert len(train) + len(valid) == 1934  # the README's number of chains
    shares = [len(set(one.clusters.tolist())) / 1533 for one in (train, valid)]
    assert 0.03 < shares[1] < 0.07 and sum(shares) == 1
    index = int(np.argmin(valid.lengths))
    assert valid[index].id == valid.ids[index]
    assert len(valid[index].protein) == valid.lengths[index]
    again = training_and_validation(complexes(shared, split="pretrain"))
    assert (again[1].ids, again[0].digest) == (valid.ids, train.digest)


def test_nothing_to_hold_out_is_said(shared):
    with pytest.raises(InputError, match="nothing to validate on"):
        training_and_validation(complexes(shared, split="pretrain", longest=61))


def test_the_record_of_a_corpus_run_is_as_it_was(shared):
    record = essence_of(Part("corpus", CorpusConfig()))
    assert record == {"split": "train", "exclude": "near_dms", "profiles": False, "longest": 0}
    assert essence_of(complexes(shared))["name"] == "complexes"


def test_a_card_says_what_was_left_out(shared):
    assert "strict form" in named(Part("corpus", CorpusConfig()))
    assert "all entries" in named(complexes(shared, exclude="nothing"))
    assert "kept apart" in named(complexes(shared, exclude="nothing"))
    assert "kept apart" not in named(complexes(shared, heldout=True))
