"""The label "structure_tokens": of whole chains, made when first asked for, kept chain by chain."""

import numpy as np
import pytest
from embedding_sets import InMemory

from plait.data.tokens import WithStructureTokens
from plait.structure.reading import read_structure


class Counting:
    """Tokens that are distances between C-alphas, so that a moved backbone has others; counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, protein):
        self.calls += 1
        return (100 * np.linalg.norm(protein.c_alpha - protein.c_alpha[0], axis=1)).astype(np.int64)


@pytest.fixture(scope="module")
def proteins(structures):
    return {"1ubi": read_structure(structures / "1ubi.pdb"), "2d7t": read_structure(structures / "2d7t.pdb.gz")}


def opened(proteins, folder, tokenize, **options):
    return WithStructureTokens(InMemory(proteins), tokenize, key="distance", folder=folder, **options)


def tokens(dataset, index):
    return dataset[index].labels["structure_tokens"]


def test_a_chain_is_made_when_asked_for_and_once(proteins, tmp_path):
    make = Counting()
    dataset = opened(proteins, tmp_path, make)
    assert make.calls == 0
    expected = Counting()(proteins["2d7t"])
    assert np.array_equal(tokens(dataset, 1), expected) and tokens(dataset, 1).dtype == np.int64
    assert make.calls == 1
    again = Counting()
    assert np.array_equal(tokens(opened(proteins, tmp_path, again), 1), expected)
    assert again.calls == 0
    assert np.array_equal(tokens(opened(proteins, tmp_path, again), 0), Counting()(proteins["1ubi"]))


def test_a_chain_whose_writing_was_cut_short_is_made_anew(proteins, tmp_path):
    dataset = opened(proteins, tmp_path, Counting())
    expected = tokens(dataset, 0)
    (file,) = tmp_path.glob("*.npy")
    kept = np.load(file, mmap_mode="r+")
    kept[0, 40 : len(expected)] = -1
    kept.flush()
    again = Counting()
    assert np.array_equal(tokens(opened(proteins, tmp_path, again), 0), expected)
    assert again.calls == 1


def test_versions_differ_and_are_the_same_in_every_run(proteins, tmp_path):
    first, second = (
        opened(proteins, folder, Counting(), variants=3, noise=0.5) for folder in (tmp_path / "a", tmp_path / "b")
    )
    found = []
    for variant in (2, 0, 1):
        first.variant = second.variant = variant
        found.append(tokens(first, 0))
        assert np.array_equal(found[-1], tokens(second, 0))
    assert np.array_equal(found[1], Counting()(proteins["1ubi"]))
    assert not any(np.array_equal(found[i], found[j]) for i, j in ((0, 1), (1, 2), (0, 2)))


def test_other_tokenizers_and_sets_have_files_of_their_own(proteins, tmp_path):
    sets = [
        opened(proteins, tmp_path, Counting()),
        opened(proteins, tmp_path, Counting(), variants=2, noise=0.1),
        WithStructureTokens(InMemory(proteins, "another"), Counting(), key="distance", folder=tmp_path),
        WithStructureTokens(InMemory(proteins), Counting(), key="other", folder=tmp_path),
    ]
    assert len({dataset.digest for dataset in sets}) == len(list(tmp_path.glob("*.npy"))) == len(sets)
