"""Profiles against those of the corpus, which another program made, and the mixing against its limits and by hand."""

import numpy as np
import pytest

from plait.data.corpus import Corpus, CorpusConfig
from plait.data.site_profiles import background, conditional, mixed, profile
from plait.structure.vocabulary import RESIDUES


@pytest.fixture
def log_p():
    logits = np.random.default_rng(0).normal(0, 2, (7, 20))
    return np.log(np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def test_conditional_probabilities_leave_the_background_as_it_is():
    assert conditional().sum(axis=1) == pytest.approx(np.ones(20))
    # rows are normalised one by one: joint frequencies of BLOSUM62 have marginals within a few per cent of Swiss-Prot
    np.testing.assert_allclose(background() @ conditional(), background(), rtol=0.25)


def test_pseudocounts_are_those_of_the_corpus(shared):
    """Where a chain of the corpus has no homolog, its profile is (n e + 5 g) / (n + 5) with the chain's own weight n:
    the shares of the other residues are those of g whatever n is."""
    corpus = Corpus(CorpusConfig(str(shared / "data" / "corpus"), split="valid", exclude="nothing", profiles=True))
    found: dict[int, list] = {}
    for index in range(len(corpus)):
        example = corpus[index]
        own = example.protein.residue_type
        for at in np.flatnonzero((example.labels["neff"] == 1) & (own < 20)):
            others = np.delete(example.labels["profile"][at], own[at])
            found.setdefault(int(own[at]), []).append(others / others.sum())
    common = [residue for residue, rows in found.items() if len(rows) >= 20]
    assert len(common) >= 15
    for residue in common:
        expected = np.delete(conditional()[residue], residue)
        # the corpus' own matrix and composition are those of MMseqs2, and its profiles are rounded to 1/127 of a root
        np.testing.assert_allclose(np.median(found[residue], axis=0), expected / expected.sum(), atol=0.015)


def test_profile_by_hand():
    count = np.zeros((3, 20), np.float32)
    count[1, 0], count[2, [0, 4]] = 5, [30, 65]
    result = profile(count)
    assert result.sum(axis=1) == pytest.approx(np.ones(3))
    np.testing.assert_allclose(result[0], background() @ conditional())
    np.testing.assert_allclose(result[1], (np.eye(20)[0] + conditional()[0]) / 2)
    expected = 30 + 5 * (30 / 95 * conditional()[0, 0] + 65 / 95 * conditional()[4, 0])
    assert result[2, 0] == pytest.approx(expected / 100)


def test_without_homologs_the_prediction_stays(log_p):
    for share in (0.3, 1.0):
        np.testing.assert_allclose(mixed(log_p, np.zeros((7, 20)), prior=14, share=share), log_p, atol=1e-5)  # float32


def test_mixing_by_hand():
    prediction = np.full((1, 20), 0.5 / 18)
    prediction[0, [0, 1]] = 0.4, 0.1
    count = np.zeros((1, 20))
    count[0, 1] = 30
    p = np.exp(mixed(np.log(prediction), count, prior=10, share=1.0)[0])
    assert p[[0, 1, 2]] == pytest.approx([10 * 0.4 / 40, (30 + 10 * 0.1) / 40, 10 * 0.5 / 18 / 40])
    pooled = mixed(np.log(prediction), count, prior=10, share=0.5)[0]
    assert pooled[1] - pooled[0] == pytest.approx((np.log(31 / 4) + np.log(0.1 / 0.4)) / 2)
    assert np.exp(pooled).sum() == pytest.approx(1)


def test_a_deep_alignment_outweighs_the_prediction_and_a_shallow_one_hardly_counts(log_p):
    frequency = np.random.default_rng(1).dirichlet(np.ones(20), 7)

    def distance(depth, target):
        p = np.exp(mixed(log_p, depth * frequency, prior=14, share=1.0))
        return abs(p - target).sum(axis=1).max()

    apart = abs(np.exp(log_p) - frequency).sum(axis=1).max()
    assert distance(14_000, frequency) <= apart / 1000
    assert distance(0.14, np.exp(log_p)) <= apart / 100
    assert distance(14, frequency) == pytest.approx(apart / 2, rel=1e-4)


def test_residues_are_in_the_order_of_the_vocabulary():
    assert RESIDUES[int(background().argmax())] == "L"
    assert RESIDUES[int(background().argmin())] == "W"
    isoleucine, valine = RESIDUES.index("I"), RESIDUES.index("V")
    assert np.argsort(conditional()[isoleucine] / background())[-2:].tolist() == [valine, isoleucine]
