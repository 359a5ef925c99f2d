"""Metrics of binding sites against scikit-learn, against brute force, and by hand."""

import itertools

import numpy as np
import pytest

from plait.tasks import site_metrics as metrics

pytest.importorskip("sklearn")


def test_iou_by_hand():
    predicted = np.array([1, 1, 1, 0, 0, 0], bool)
    true = np.array([1, 1, 0, 1, 1, 0], float)
    assert metrics.iou(predicted, true) == 2 / 5
    assert metrics.iou(~predicted & False, true) == 0
    assert np.isnan(metrics.iou(np.zeros(3, bool), np.zeros(3)))


def test_what_is_not_known_is_not_asked():
    predicted, true = np.array([1, 1, 0, 0], bool), np.array([1, np.nan, np.nan, 1])
    assert metrics.iou(predicted, true) == 1 / 2
    assert metrics.confusion(predicted, true).tolist() == [1, 0, 1, 0]
    assert metrics.auroc([0.9, 0.1, 0.8, 0.2], [1, np.nan, 0, np.nan]) == 1
    assert metrics.average_precision([0.9, 0.95, 0.8], [1, np.nan, 0]) == 1


@pytest.mark.parametrize("seed", range(5))
def test_ranking_metrics_are_those_of_scikit_learn(seed):
    from sklearn.metrics import average_precision_score, roc_auc_score

    generator = np.random.default_rng(seed)
    score = generator.integers(0, 12, 200) / 11  # many ties
    true = (generator.random(200) < 0.1 + 0.5 * score**3).astype(float)
    weight = generator.integers(0, 4, 200)
    for weights in (None, weight):
        expected = {"sample_weight": weights}
        assert metrics.auroc(score, true, weights) == pytest.approx(roc_auc_score(true, score, **expected), abs=1e-12)
        expected = average_precision_score(true, score, **expected)
        assert metrics.average_precision(score, true, weights) == pytest.approx(expected, abs=1e-12)


def test_auroc_counts_pairs():
    generator = np.random.default_rng(1)
    score, true = generator.integers(0, 5, 30), generator.random(30) < 0.4
    pairs = itertools.product(score[true], score[~true])
    wins = [1.0 if above > below else 0.5 if above == below else 0.0 for above, below in pairs]
    assert metrics.auroc(score, true) == pytest.approx(np.mean(wins), abs=1e-12)


def test_weights_are_repetitions():
    generator = np.random.default_rng(2)
    score, true, times = generator.random(40), generator.random(40) < 0.3, generator.integers(0, 4, 40)
    again = metrics.Ranking.of(score, true).weighted(times)
    assert again.auroc() == pytest.approx(metrics.auroc(score.repeat(times), true.repeat(times)), abs=1e-12)
    expected = metrics.average_precision(score.repeat(times), true.repeat(times))
    assert again.average_precision() == pytest.approx(expected, abs=1e-12)


def test_one_kind_only_has_no_ranking():
    assert np.isnan(metrics.auroc([0.1, 0.2], [1, 1]))
    assert np.isnan(metrics.auroc([0.1, 0.2], [0, 0]))
    assert np.isnan(metrics.average_precision([0.1, 0.2], [0, 0]))
    assert np.isnan(metrics.auroc([], []))


def test_a_residue_without_a_score_ranks_last():
    assert metrics.auroc([0.2, np.nan, 0.1], [1, 1, 0]) == 0.5


def test_counts_against_scikit_learn():
    from sklearn.metrics import confusion_matrix, f1_score, matthews_corrcoef

    generator = np.random.default_rng(3)
    true, predicted = generator.random(100) < 0.2, generator.random(100) < 0.3
    counts = metrics.confusion(predicted, true)
    tn, fp, fn, tp = confusion_matrix(true, predicted).ravel()
    assert counts.tolist() == [tp, fp, fn, tn]
    assert metrics.mcc(counts) == pytest.approx(matthews_corrcoef(true, predicted), abs=1e-12)
    assert metrics.f1(counts) == pytest.approx(f1_score(true, predicted), abs=1e-12)
    assert np.isnan(metrics.mcc([0, 0, 5, 95]))
    assert np.isnan(metrics.f1([0, 0, 0, 9]))
    assert metrics.mcc(np.array([[5, 0, 0, 5], [0, 5, 5, 0]])).tolist() == [1, -1]


def test_the_best_threshold_is_found():
    """Sites are exactly the residues of at least 0.8."""
    generator = np.random.default_rng(4)
    scores = [generator.random(300) for _ in range(5)]
    threshold, reached = metrics.best_threshold(scores, [(score >= 0.8).astype(float) for score in scores])
    assert 0.79 < threshold < 0.81
    assert reached > 0.95
