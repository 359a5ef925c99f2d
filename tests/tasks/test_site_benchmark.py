"""The benchmark of binding sites: known answers, independent computations, resumption and failures."""

import numpy as np
import pandas as pd
import pytest
import torch
from complexes_folder import write_complexes
from scipy.spatial.distance import cdist

from plait.data.complexes import Complexes, ComplexesConfig
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.errors import InputError
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.tasks.binding_sites.geometric import GeometricSites
from plait.tasks.binding_sites.pockets import SitePoints
from plait.tasks.site_averages import site_averages
from plait.tasks.site_benchmark import benchmark_sites
from plait.tasks.site_predictions import Predictor


class Told:
    """Answers that are given by entry: a probability for each residue, and points."""

    digest, card = "told", {"summary": "knows"}

    def __init__(self, name, answers):
        self.name, self.answers, self.asked = name, answers, 0

    def find_sites(self, protein):
        assert len(protein.hetero) == 0
        self.asked += 1
        return self.answers[protein.source]


@pytest.fixture(scope="module")
def folder(shared, tmp_path_factory):
    return write_complexes(tmp_path_factory.mktemp("complexes") / "set", shared)


@pytest.fixture(scope="module")
def examples(folder):
    dataset = Complexes(ComplexesConfig(folder=str(folder), split="test"))
    return [dataset[index] for index in range(len(dataset))]


def told(name, examples, shift=0.0, turned=False):
    """A model that knows the labels, and puts a pocket at `shift` angstrom from each ligand's centre."""
    answers = {}
    for example in examples:
        label, hetero = example.labels["binding_site"], example.protein.hetero
        centres = np.array([hetero.position[hetero.group == g].mean(0) for g in np.unique(hetero.group)])
        centres = centres.astype(np.float64) + [shift, 0, 0]
        touching = np.stack([np.repeat(np.arange(len(centres)), 3), np.tile(np.arange(3), len(centres))], 1)
        points = SitePoints(centres, np.ones(len(centres)), np.ones(len(centres)), touching)
        answers[example.id] = ((1 - label if turned else label).astype(np.float32), points)
    return Told(name, answers)


def value(result, metric, model):
    cells = result.summary.set_index(["metric", "model"])["value"]
    return cells[metric, model]


def test_who_knows_the_sites_is_perfect_and_who_turns_them_round_is_not(folder, examples):
    far = told("turned", examples, shift=100.0, turned=True)
    result = benchmark_sites(folder, [told("knows", examples), far], splits=["test"], resamples=20)
    for metric in ("iou", "iou_half", "auroc", "auprc", "mcc", "f1", "auroc_pooled", "auprc_pooled", "mcc_pooled"):
        assert value(result, metric, "knows") == pytest.approx(1), metric
    for metric in ("dcc_topn", "dcc_topn_protein", "dcc_topn2"):
        assert value(result, metric, "knows") == 1, metric
    for metric in ("iou", "auroc", "f1", "dca_top3", "dcc_topn2"):
        assert value(result, metric, "turned") == 0, metric
    assert value(result, "mcc", "turned") == -1
    assert len(result.proteins) == 2 * len(examples)
    assert len(result.ligands) == 2 * sum(len(np.unique(e.protein.hetero.group)) for e in examples)


def test_a_distance_is_counted_where_it_should_be(folder, examples):
    """Pockets 3.9 and 4.1 angstrom off the centres: in and out of DCC at 4; both near an atom."""
    near, off = told("near", examples, 3.9), told("off", examples, 4.1)
    result = benchmark_sites(folder, [near, off], splits=["test"], resamples=20)
    assert value(result, "dcc_topn", "near") == 1
    assert value(result, "dcc_topn", "off") < 1  # where ligands are more than one, another may be nearer
    single = result.ligands[(result.ligands["model"] == "off") & (result.ligands["ligands"] == 1)]
    assert (single["dcc_rank"] == 0).all()
    assert np.allclose(single["dcc_top3"], 4.1, atol=1e-4)


def test_rows_are_those_of_an_independent_computation(folder, examples):
    """From the predictions alone, by scikit-learn and by distances of all atoms."""
    sklearn = pytest.importorskip("sklearn.metrics")
    baseline = GeometricSites()
    result = benchmark_sites(folder, [baseline], splits=["test"], resamples=20)
    rows = result.proteins.set_index("entry")
    for example in examples:
        protein, true = example.protein, example.labels["binding_site"]
        score, row = baseline.find_sites(protein)[0], rows.loc[example.id]
        assert row["auroc"] == pytest.approx(sklearn.roc_auc_score(true, score))
        assert row["auprc"] == pytest.approx(sklearn.average_precision_score(true, score))
        assert row["mcc"] == pytest.approx(sklearn.matthews_corrcoef(true, score >= 0.5))
        assert row["iou"] == pytest.approx(sklearn.jaccard_score(true, score >= 0.5))
        near = cdist(protein.position, protein.hetero.position).min(1) < 4
        expected = sklearn.jaccard_score(near, (score >= 0.5)[protein.residue_of])
        assert row["atom_iou"] == pytest.approx(expected)
    pooled = [
        np.concatenate(parts)
        for parts in zip(*((baseline.find_sites(e.protein)[0], e.labels["binding_site"]) for e in examples))
    ]
    assert value(result, "auroc_pooled", "geometry") == pytest.approx(sklearn.roc_auc_score(pooled[1], pooled[0]))
    assert value(result, "iou", "geometry") == pytest.approx(rows["iou"].mean())


class ToldAtoms(Model):
    """A model with a head for atoms that knows some of them, and one for residues that knows nothing."""

    def __init__(self, examples):
        torch.manual_seed(0)
        config = NeighbourhoodConfig(width=16, edge_width=8, layers=1, heads=2)
        network = EncoderWithHeads(NeighbourhoodEncoder(config), {"binding_site": 1})
        super().__init__("atoms", network, None, Scoring(), {"binding_sites": {"atom_threshold": 0.7}}, "told")
        self.sizes = {example.id: len(example.protein.position) for example in examples}

    def outputs(self, protein, masked=None):
        generator = np.random.default_rng(self.sizes[protein.source])
        return {
            "binding_site": np.full((len(protein), 1), -3.0),
            "atom_binding_site": generator.normal(0, 2, (len(protein.position), 1)),
        }


def test_atoms_are_judged_by_their_own_head_at_its_own_threshold(folder, examples, tmp_path):
    sklearn = pytest.importorskip("sklearn.metrics")
    model = ToldAtoms(examples)
    for _ in range(2):  # the second time from what was kept
        result = benchmark_sites(folder, [model], splits=["test"], resamples=20, out=tmp_path)
        rows = result.proteins.set_index("entry")
        for example in examples:
            near = cdist(example.protein.position, example.protein.hetero.position).min(1) < 4
            score = 1 / (1 + np.exp(-model.outputs(example.protein)["atom_binding_site"][:, 0]))
            for name, threshold in (("atom_iou", 0.7), ("atom_iou_half", 0.5)):
                assert rows.loc[example.id, name] == pytest.approx(sklearn.jaccard_score(near, score >= threshold))
            assert rows.loc[example.id, "iou"] == 0
    assert result.reused == len(examples)


def test_what_is_done_is_not_done_again(folder, examples, tmp_path):
    model = told("knows", examples)
    first = benchmark_sites(folder, [model], splits=["test"], out=tmp_path, resamples=20)
    assert (first.reused, model.asked) == (0, len(examples))
    again = benchmark_sites(folder, [model], splits=["test"], out=tmp_path, resamples=20)
    assert (again.reused, model.asked) == (len(examples), len(examples))
    pd.testing.assert_frame_equal(again.summary, first.summary)
    model.card = {"binding_sites": {"link": 5.0}}
    other = benchmark_sites(folder, [model], splits=["test"], out=tmp_path, resamples=20)
    assert other.reused == 0


def test_a_broken_file_of_predictions_is_made_again(examples, tmp_path):
    model = told("knows", examples)
    made = Predictor(model, tmp_path)(examples[0].protein)
    file = next(tmp_path.rglob("*.npz"))
    file.write_bytes(file.read_bytes()[:100])
    again = Predictor(model, tmp_path)
    assert np.array_equal(again(examples[0].protein).probability, made.probability)
    assert again.reused == 0


def test_an_entry_that_one_model_cannot_answer_counts_for_none(folder, examples):
    broken = told("broken", examples)
    del broken.answers[examples[1].id]
    met = []
    result = benchmark_sites(
        folder, [told("knows", examples), broken], splits=["test"], resamples=20, report=met.append
    )
    assert [(one.entry, one.model) for one in met] == [(examples[1].id, "broken")]
    assert examples[1].id not in set(result.proteins["entry"])
    broken.answers = {}
    with pytest.raises(InputError, match="no complex could be answered"):
        benchmark_sites(folder, [broken], splits=["test"])


def test_a_model_is_given_once(folder):
    with pytest.raises(InputError, match="twice"):
        benchmark_sites(folder, ["geometry", "geometry"])


# -- averages by hand


def proteins_of(**columns):
    rows = len(columns["iou"])
    filled = {
        name: np.full(rows, 0.5) for name in ("iou_half", "atom_iou", "atom_iou_half", "auroc", "auprc", "mcc", "f1")
    }
    counts = {name: np.full(rows, 5) for name in ("true_positive", "false_positive", "false_negative", "true_negative")}
    return pd.DataFrame({**filled, **counts, **columns})


def averages_of(proteins, ligands=None, compared="m", resamples=2000):
    if ligands is None:
        ligands = pd.DataFrame({"model": ["m"], "cluster": [0], "ligands": [1], "dca_rank": [1], "dcc_rank": [1]})
    residues = {
        model: (np.array([0.9, 0.1, 0.8, 0.2]), np.array([1.0, 0, 1, 0]), np.array([0, 0, 1, 1]))
        for model in dict.fromkeys(proteins["model"])
    }
    found = site_averages(proteins, ligands, residues, compared_with=compared, resamples=resamples)
    return found.set_index(["metric", "model"])


def test_success_by_hand():
    """One structure with two ligands (ranks 1 and 4), one with one (rank 2): top-n needs 2 and 1 pockets."""
    ligands = pd.DataFrame(
        {"model": "m", "cluster": [0, 0, 1], "ligands": [2, 2, 1], "dca_rank": [1, 4, 2], "dcc_rank": [0, 3, 1]}
    )
    found = averages_of(proteins_of(model=["m", "m"], cluster=[0, 1], iou=[0.2, 0.4]), ligands, resamples=50)["value"]
    expected = {
        "dca_top1": 1 / 3, "dca_top3": 2 / 3, "dca_topn": 1 / 3, "dca_topn2": 3 / 3, "dca_topn_protein": 0.25,
        "dca_top3_protein": 0.75, "dcc_top1": 1 / 3, "dcc_top3": 2 / 3, "dcc_topn": 1 / 3, "dcc_topn2": 2 / 3,
        "dcc_topn_protein": 0.5, "iou": 0.3,
    }  # fmt: skip
    for metric, number in expected.items():
        assert found[metric, "m"] == pytest.approx(number), metric


def test_errors_are_those_of_clusters():
    """Ten copies of a protein say no more than one; with one protein a cluster it is the formula's, to 5 % by chance
    (2000 resamples give 1.6 %)."""
    generator = np.random.default_rng(0)
    iou = generator.uniform(0, 1, 40)
    once = averages_of(proteins_of(model=["m"] * 40, cluster=np.arange(40), iou=iou))
    assert once.loc[("iou", "m"), "standard_error"] == pytest.approx(iou.std() / 40**0.5, rel=0.05)
    assert once.loc[("iou", "m"), "low"] < iou.mean() < once.loc[("iou", "m"), "high"]
    copies = averages_of(proteins_of(model=["m"] * 400, cluster=np.tile(np.arange(40), 10), iou=np.tile(iou, 10)))
    assert copies.loc[("iou", "m"), "standard_error"] == pytest.approx(once.loc[("iou", "m"), "standard_error"])


def test_differences_are_paired():
    iou = np.random.default_rng(1).uniform(0, 0.8, 30)
    table = proteins_of(model=["m"] * 30 + ["b"] * 30, cluster=np.tile(np.arange(30), 2), iou=np.r_[iou, iou + 0.1])
    row = averages_of(table, pd.DataFrame(
        {"model": ["m", "b"], "cluster": [0, 0], "ligands": [1, 1], "dca_rank": [1, 0], "dcc_rank": [1, 0]}
    )).loc[("iou", "b")]  # fmt: skip
    assert [row[name] for name in ("difference", "difference_low", "difference_high")] == pytest.approx([0.1] * 3)


def test_proteins_without_a_value_are_left_out_and_counted():
    found = averages_of(proteins_of(model=["m"] * 3, cluster=[0, 1, 2], iou=[0.2, np.nan, 0.6]))
    assert found.loc[("iou", "m"), ["value", "count"]].tolist() == pytest.approx([0.4, 2])
