"""Ranking metrics against scipy, scikit-learn, their definitions word by word, and values of the data's README."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score

from plait.tasks.metrics import ndcg, spearman, top_recall

# few values on each side, so that ties are the rule
pairs = st.lists(st.tuples(st.integers(-4, 4), st.integers(-6, 6)), min_size=20, max_size=60)


@pytest.fixture
def esm1v(shared):
    folder = shared / "data" / "dms"
    predicted = pd.read_csv(folder / "metric_check.csv").set_index("mutant")["esm1v"]
    measured = pd.read_csv(folder / "assays" / "BLAT_ECOLX_Jacquier_2013.csv").set_index("mutant")["DMS_score"]
    return predicted.loc[measured.index].to_numpy(), measured.to_numpy()


def test_stated_values(esm1v):
    """Those of the README of the data, stated to four digits."""
    assert spearman(*esm1v) == pytest.approx(0.6704, abs=5e-5)
    assert ndcg(*esm1v) == pytest.approx(0.8710, abs=5e-5)
    assert top_recall(*esm1v) == pytest.approx(0.1845, abs=5e-5)


def test_the_order_of_rows_does_not_matter(esm1v):
    order = np.random.default_rng(0).permutation(len(esm1v[0]))
    tied = np.round(esm1v[0])
    for metric in (spearman, ndcg, top_recall):
        assert metric(tied, esm1v[1]) == pytest.approx(metric(tied[order], esm1v[1][order]), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_spearman_is_scipys(values):
    predicted, measured = np.array(values, float).T
    if np.ptp(predicted) and np.ptp(measured):
        assert spearman(predicted, measured) == pytest.approx(spearmanr(predicted, measured).statistic, abs=1e-12)
    else:
        assert math.isnan(spearman(predicted, measured))


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_ndcg_is_scikit_learns(values):
    """scikit-learn averages over ties too; its gains are what it is given."""
    predicted, measured = np.array(values, float).T
    if not np.ptp(measured):
        assert math.isnan(ndcg(predicted, measured))
        return
    gain = (measured - measured.min()) / np.ptp(measured)
    expected = ndcg_score(gain[None], predicted[None], k=len(gain) // 10)
    assert ndcg(predicted, measured) == pytest.approx(expected, abs=1e-12)


def test_ndcg_word_by_word(esm1v):
    predicted, measured = esm1v
    gain = (measured - measured.min()) / (measured.max() - measured.min())

    def gained(order):
        return sum(gain[i] / math.log2(rank + 1) for rank, i in enumerate(order[: len(gain) // 10], 1))

    best_first = sorted(range(len(gain)), key=lambda i: -predicted[i])
    ideal = sorted(range(len(gain)), key=lambda i: -gain[i])
    assert ndcg(predicted, measured) == pytest.approx(gained(best_first) / gained(ideal), abs=1e-12)


def test_ties_are_the_mean_over_orders():
    """Four mutants share the best score and two places count: all 12 ways to fill them, by hand."""
    predicted = np.array([5.0] * 4 + [1.0] * 16)
    measured = np.array([3.0, 1.0, 0.0, 2.0] + [1.5] * 16)
    gain = measured / 3
    ways = [gain[a] / 1 + gain[b] / math.log2(3) for a, b in itertools.permutations(range(4), 2)]
    ideal = gain[0] / 1 + gain[3] / math.log2(3)
    assert ndcg(predicted, measured) == pytest.approx(np.mean(ways) / ideal, abs=1e-12)


def test_top_recall_by_hand():
    """Of 20 mutants the 90th percentile lies at place 17.1 of 0 to 19: two are above. One of them is found."""
    measured = np.arange(20.0)
    predicted = np.arange(20.0)
    predicted[[18, 3]] = predicted[[3, 18]]
    assert top_recall(predicted, measured) == 0.5
    assert top_recall(np.zeros(20), measured) == 1.0  # all are tied at the percentile: the definition counts them in
    assert top_recall(-measured, measured) == 0.0


def test_pairs_without_a_score_are_left_out(esm1v):
    predicted, measured = (values.copy() for values in esm1v)
    gone = np.arange(len(predicted)) % 7 == 0
    for metric in (spearman, ndcg, top_recall):
        expected = metric(predicted[~gone], measured[~gone])
        assert metric(np.where(gone, np.nan, predicted), measured) == expected


def test_undefined_is_nan():
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(spearman([], []))
    assert math.isnan(ndcg(range(9), range(9)))  # a tenth of nine is none
    assert math.isnan(top_recall([], []))
