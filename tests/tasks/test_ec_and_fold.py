"""EC numbers and folds of chains: tables, what is refused, and metrics by level and identity."""

import numpy as np
import pytest
import torch

from plait.data.base import Example
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.errors import InputError
from plait.models.loading import load, save
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.structure import read_structure
from plait.tasks.ec import Config, Ec
from plait.tasks.fold import Fold
from plait.tasks.function_metrics import accuracy, fmax, micro_average_precision

NAMES = {"protein_ec": ["1.1.1.-", "1.1.1.1", "2.7.7.-"], "protein_fold": ["a.1", "b.1", "c.1", "d.1"]}


class Fixed:
    """A model whose logits are given, chain by chain."""

    name, digest = "fixed", "0"

    def __init__(self, head, *rows, names=None):
        self.head, self.rows = head, list(rows)
        self.card = {"classes": {head: names or NAMES[head]}}
        self.network = network({head: len(rows[0])})

    def outputs(self, protein):
        return {self.head: np.array([self.rows.pop(0)], np.float32)}


def network(heads):
    torch.manual_seed(0)
    return EncoderWithHeads(NeighbourhoodEncoder(NeighbourhoodConfig(width=16, edge_width=8, layers=1, heads=2)), heads)


@pytest.fixture(scope="module")
def antibody(structures):
    """Two chains."""
    return read_structure(structures / "2d7t.pdb.gz")


def test_ec_numbers_in_a_table(antibody):
    answer = Ec(Config(show=2))(Fixed("protein_ec", [0.0, 2.0, -1.0], [3.0, -2.0, 5.0]), antibody)
    table = answer.table
    assert table.columns.tolist() == ["chain", "rank", "ec_number", "probability"]
    assert table["chain"].tolist() == [name for name in antibody.chains for _ in range(2)]
    assert table["ec_number"].tolist() == ["1.1.1.1", "1.1.1.-", "2.7.7.-", "1.1.1.-"]
    assert table["rank"].tolist() == [1, 2, 1, 2]
    assert np.allclose(table["probability"], 1 / (1 + np.exp([-2.0, 0.0, -5.0, -3.0])), atol=1e-6)
    assert answer.probability.shape == (2, 3)
    assert len(Ec(Config(show=0))(Fixed("protein_ec", [0.0, 2, 1], [3.0, 2, 5]), antibody).table) == 6


def test_folds_in_a_table(antibody):
    answer = Fold()(Fixed("protein_fold", np.log([1.0, 4.0, 3.0, 2.0]), [0.0, 0.0, 700.0, 0.0]), antibody)
    assert answer.table["fold"].tolist() == ["b.1", "c.1", "d.1", "a.1", "c.1", "a.1", "b.1", "d.1"]
    assert np.allclose(answer.table["probability"], [0.4, 0.3, 0.2, 0.1, 1, 0, 0, 0], atol=1e-6)
    assert np.allclose(answer.probability.sum(1), 1)


def test_a_model_keeps_its_classes(antibody, tmp_path):
    for task, head in ((Ec, "protein_ec"), (Fold, "protein_fold")):
        heads = {head: len(NAMES[head])}
        model = Model("named", network(heads), None, Scoring(), {"classes": {head: NAMES[head]}})
        save(model, tmp_path / head)
        before, after = task()(model, antibody), task()(load(tmp_path / head), antibody)
        assert before.table.equals(after.table)
        assert before.names == tuple(NAMES[head])


def test_what_a_model_cannot_answer_is_said(antibody):
    for task, head in ((Ec, "protein_ec"), (Fold, "protein_fold")):
        with pytest.raises(InputError, match=f"no head for .*{head}"):
            task()(Model("other", network({"stability": 20}), None, Scoring(), {}), antibody)
        for card in ({}, {"classes": {head: ["one", "two"]}}):
            with pytest.raises(InputError, match="does not name its classes"):
                task()(Model("unnamed", network({head: 5}), None, Scoring(), card), antibody)


def test_incomplete_backbones_are_remarked(structures):
    protein = read_structure(structures / "1ubi_ca.pdb")
    answer = Fold()(Fixed("protein_fold", [0.0, 1.0, 2.0, 3.0]), protein)
    assert any("76 of 76 residues" in remark.text for remark in answer.remarks)


def test_ec_metrics_of_all_and_of_each_identity_bin(antibody):
    generator = np.random.default_rng(0)
    true = generator.random((40, 6)) < 0.3
    score = generator.normal(size=(40, 6)) + true
    identity = generator.uniform(10, 100, 40)
    examples = [
        Example(str(i), antibody, protein_labels={"ec": row.astype(np.float32), "below": identity[i] < BINS})
        for i, row in enumerate(true)
    ]
    outputs = [{"protein_ec": row} for row in score]
    found = Ec.evaluate(examples, outputs)
    expected = {"fmax": fmax(score, true), "aupr": micro_average_precision(score, true)}
    for percent in BINS.tolist():
        rows = identity < percent
        expected[f"fmax_{percent}"] = fmax(score[rows], true[rows])
        expected[f"aupr_{percent}"] = micro_average_precision(score[rows], true[rows])
    assert found == pytest.approx(expected)
    bare = [Example(one.id, antibody, protein_labels={"ec": one.protein_labels["ec"]}) for one in examples]
    assert Ec.evaluate(bare, outputs).keys() == {"fmax", "aupr"}


BINS = np.array([30, 40, 50, 70, 95])


def test_fold_accuracy_of_each_level(antibody):
    generator = np.random.default_rng(1)
    true, level = generator.integers(0, 4, 50), generator.integers(0, 2, 50)
    score = generator.normal(size=(50, 4))
    score[np.arange(50), true] += 1
    labels = [{"fold": np.int64(one), "level": np.int64(of)} for one, of in zip(true, level)]
    examples = [Example(str(i), antibody, protein_labels=kind) for i, kind in enumerate(labels)]
    found = Fold.evaluate(examples, [{"protein_fold": row} for row in score])
    hits = score.argmax(1) == true
    assert found == pytest.approx(
        {
            "accuracy": hits.mean(),
            "accuracy_family": hits[level == 0].mean(),
            "accuracy_superfamily": hits[level == 1].mean(),
        }
    )
    assert found["accuracy"] == accuracy(score, true)
