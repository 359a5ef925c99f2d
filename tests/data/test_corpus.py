"""The corpus: what its README says of it, read back."""

import numpy as np
import pytest

from plait.data.corpus import Corpus, CorpusConfig
from plait.errors import InputError


@pytest.fixture(scope="module")
def corpus(shared):
    return Corpus(CorpusConfig(folder=str(shared / "data" / "corpus"), split="valid", exclude="nothing"))


def test_counts_are_those_of_the_readme(shared, corpus):
    folder = str(shared / "data" / "corpus")
    assert len(corpus) == 422
    assert corpus.lengths.sum() == 107228
    strict = Corpus(CorpusConfig(folder=folder, split="train", exclude="near_dms"))
    assert len(strict) == 9748 - 1369
    strictest = Corpus(CorpusConfig(folder=folder, split="train", exclude="near_dms_cluster"))
    assert len(strictest) == 9748 - 2554
    assert len(Corpus(CorpusConfig(folder=folder, split="train", exclude="nothing", profiles=True))) == 7307


def test_geometry_is_that_of_proteins(corpus):
    examples = [corpus[i] for i in range(0, 40)]
    steps = np.concatenate([np.linalg.norm(np.diff(e.protein.c_alpha, axis=0), axis=1) for e in examples])
    bonds = np.concatenate(
        [np.linalg.norm(e.protein.backbone[:, 0] - e.protein.backbone[:, 1], axis=1) for e in examples]
    )
    # README, "Checks": medians 3.808 and 1.459 angstrom; coordinates are rounded to 0.01
    assert abs(np.nanmedian(steps) - 3.808) < 0.02
    assert abs(np.nanmedian(bonds) - 1.459) < 0.01


def test_profiles_are_distributions_that_know_the_native_residue(corpus):
    native = []
    for index in range(60):
        example = corpus[index]
        profile, types = example.labels["profile"], example.protein.residue_type
        if example.labels["neff"].max() == 0:
            assert profile.max() == 0
            continue
        assert np.allclose(profile.sum(1), 1, atol=1e-4)
        known = types < 20
        native.append(profile[known, types[known]])
    # README: the native residue has a mean probability of 0.34 over the whole corpus
    assert 0.25 < np.concatenate(native).mean() < 0.45


def test_crop_keeps_labels_beside_residues(corpus):
    example = corpus[3]
    part = example.crop(5, 20)
    assert part.protein.sequence == example.protein.sequence[5:25]
    assert np.array_equal(part.labels["profile"], example.labels["profile"][5:25])
    assert np.array_equal(part.protein.c_alpha, example.protein.c_alpha[5:25])


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="no such data folder"):
        Corpus(CorpusConfig(folder=str(tmp_path / "nowhere")))
    with pytest.raises(InputError, match=r"index\.parquet"):
        Corpus(CorpusConfig(folder=str(tmp_path)))
