"""Fmax, AUPR and accuracy: against the definitions computed plainly, the published program's values, and order."""

import json

import numpy as np
import pytest

from plait.tasks.function_metrics import accuracy, fmax, micro_average_precision


@pytest.fixture(scope="module")
def recorded(oracle):
    """TorchDrug's values and what they were computed on."""
    folder = oracle / "siamdiff" / "metrics"
    with np.load(folder / "metrics.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}, json.loads((folder / "metrics.json").read_text())


def plain_fmax(score, true):
    """The definition, threshold by threshold and protein by protein."""
    best = 0.0
    for threshold in np.unique(score):
        precisions, recalls = [], []
        for one, labels in zip(score, true):
            predicted = {j for j in range(len(one)) if one[j] >= threshold}
            positive = {j for j in range(len(one)) if labels[j]}
            hits = len(predicted & positive)
            if predicted:
                precisions.append(hits / len(predicted))
            recalls.append(hits / len(positive) if positive else 0.0)
        precision, recall = np.mean(precisions), np.mean(recalls)
        if precision + recall:
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def plain_average_precision(score, true):
    score, true = score.ravel(), true.ravel().astype(bool)
    total, before = 0.0, 0.0
    for threshold in sorted(set(score.tolist()), reverse=True):
        predicted = score >= threshold
        recall = (predicted & true).sum() / true.sum()
        total += (recall - before) * (predicted & true).sum() / predicted.sum()
        before = recall
    return total


@pytest.mark.parametrize("seed", range(6))
def test_against_the_plain_definitions_with_ties_and_proteins_without_labels(seed):
    generator = np.random.default_rng(seed)
    shape = (int(generator.integers(1, 30)), int(generator.integers(2, 12)))
    score = generator.integers(0, 5, shape) / 4 if seed % 2 else generator.normal(size=shape)
    true = generator.random(shape) < 0.3
    true[0, 0] = True
    assert fmax(score, true) == pytest.approx(plain_fmax(score, true), abs=1e-12)
    assert micro_average_precision(score, true) == pytest.approx(plain_average_precision(score, true), abs=1e-12)


def test_without_ties_they_are_the_published_values(recorded):
    arrays, values = recorded
    for target, name in (("target", "distinct"), ("target_some_empty", "five_proteins_without_label")):
        assert fmax(arrays["prediction"], arrays[target]) == pytest.approx(values[name]["f1_max"], abs=1e-6)
        found = micro_average_precision(arrays["prediction"], arrays[target])
        assert found == pytest.approx(values[name]["auprc_micro"], abs=1e-6)


def test_with_ties_the_published_values_hang_on_the_order_and_ours_do_not(recorded):
    """specs/siamdiff.md, 9.14: published 0.403 or 0.407 and 0.333 or 0.337 by order, right 0.388 and 0.313."""
    arrays, values = recorded
    score, true = arrays["prediction_tied"], arrays["target"]
    rows, columns = arrays["row_permutation"], arrays["column_permutation"]
    orders = {
        "tied_order_1": (score, true),
        "tied_order_2_rows_and_columns_permuted": (score[rows][:, columns], true[rows][:, columns]),
    }
    for name, pair in orders.items():
        assert fmax(*pair, compat=True) == pytest.approx(values[name]["f1_max"], abs=1e-6)
        assert micro_average_precision(*pair, compat=True) == pytest.approx(values[name]["auprc_micro"], abs=1e-6)
        assert fmax(*pair) == pytest.approx(0.388, abs=5e-4)
        assert micro_average_precision(*pair) == pytest.approx(0.313, abs=5e-4)
    assert values["tied_order_1"] != values["tied_order_2_rows_and_columns_permuted"]


def test_extremes():
    true = np.array([[1, 0, 1], [0, 1, 0]])
    assert fmax(true, true) == 1
    assert micro_average_precision(true, true) == 1
    assert fmax(np.zeros((2, 3)), np.zeros((2, 3))) == 0
    assert np.isnan(micro_average_precision(np.zeros((2, 3)), np.zeros((2, 3))))
    # nothing is told apart: all are predicted, precision (2/3 + 1/3) / 2 and recall 1
    assert fmax(np.zeros((2, 3)), true) == pytest.approx(2 / 3)
    assert micro_average_precision(np.zeros((2, 3)), true) == 0.5


def test_any_growing_function_of_the_score_gives_the_same(recorded):
    arrays, _ = recorded
    score, true = arrays["prediction"], arrays["target"]
    assert fmax(3 * score - 1, true) == fmax(score, true)


def test_accuracy_by_hand():
    score = np.array([[0.1, 0.9, 0], [2, 1, 0], [5, 5, 0], [0, 0, 1]])
    assert accuracy(score, np.array([1, 1, 0, 2])) == (1 + 0 + 0.5 + 1) / 4
    assert np.isnan(accuracy(np.zeros((0, 3)), np.zeros(0, int)))
