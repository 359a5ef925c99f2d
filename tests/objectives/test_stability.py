"""The stability objective against sums written out protein by protein."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from plait.data.base import Example
from plait.objectives.base import total
from plait.objectives.masked_lm import MaskedLM, MaskedLMConfig
from plait.objectives.stability import StabilityObjective, StabilityObjectiveConfig, whole_stability
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN

KINDS = ("megascale", "curated")


@pytest.fixture
def examples():
    """Five proteins: many rows, few rows, both kinds of assay, none, and only unknown residues."""
    generator = np.random.default_rng(0)
    made = []
    for number, shares in enumerate([(0.4, 0), (0.01, 0), (0.3, 0.1), (0, 0), (0.3, 0)]):
        letters = list("ACDEFGHIKLMNPQRSTVWY") if number < 4 else ["X"]
        sequence = "".join(generator.choice(letters, 30))
        protein = Protein.from_backbone(sequence, generator.normal(size=(30, 3, 3)))
        labels = {}
        for kind, share in zip(KINDS, shares):
            ddg = np.full((30, 20), np.nan, np.float32)
            measured = generator.random(ddg.shape) < share
            if number < 4:
                measured[np.arange(30), protein.residue_type] = False
            ddg[measured] = generator.normal(1, 1.5, int(measured.sum()))
            labels[f"ddg_{kind}"] = ddg
        made.append(Example(str(number), protein, {} if number == 3 else labels))
    return made


def outputs(examples, seed=0):
    rows = sum(len(example.protein) for example in examples)
    generator = torch.Generator().manual_seed(seed)
    return {"stability": torch.randn(rows, 20, generator=generator, requires_grad=True)}


def written_out(examples, output, hidden=()):
    """Scores and minus ddg of each protein and kind that has any: a list of (s, -ddg)."""
    groups, first = [], 0
    for example in examples:
        types = example.protein.residue_type
        for kind in KINDS:
            ddg = example.labels.get(f"ddg_{kind}", np.full((len(types), 20), np.nan))
            pairs = [
                (output[first + i, j] - output[first + i, types[i]], -ddg[i, j])
                for i in range(len(types))
                for j in range(20)
                if types[i] != UNKNOWN and np.isfinite(ddg[i, j]) and first + i not in hidden
            ]
            if pairs:
                groups.append(np.array(pairs, float).T)
        first += len(types)
    return groups


@pytest.mark.parametrize("weighting", ["equal", "sqrt"])
def test_terms_are_those_of_the_text(examples, weighting):
    objective = StabilityObjective(StabilityObjectiveConfig(weighting=weighting))
    view = objective.view(examples, np.random.default_rng(0))
    output = outputs(examples)
    terms = objective.loss(output, view)
    groups = written_out(examples, output["stability"].detach().numpy())
    assert [len(s) >= 10 for s, _ in groups] == [True, False, True, True]
    weight = [np.sqrt(len(s)) if weighting == "sqrt" else 1 for s, _ in groups]
    error = [np.mean((s - t) ** 2) / ((np.sum(t**2) + 10) / (len(t) + 10)) for s, t in groups]
    ranked = [(w, 1 - pearsonr(s, t)[0]) for w, (s, t) in zip(weight, groups) if len(s) >= 10]
    # float32 sums of some hundred terms
    assert float(terms["stability_error"].value.detach()) == pytest.approx(np.average(error, weights=weight), rel=1e-5)
    expected = np.average([value for _, value in ranked], weights=[w for w, _ in ranked])
    assert float(terms["stability_ranking"].value.detach()) == pytest.approx(expected, rel=1e-5)
    assert (terms["stability_ranking"].count, terms["stability_error"].count) == (3, 4)
    assert terms["stability_error"].weight == 0.1


def test_pairwise_ranking_is_the_divergence_of_all_pairs(examples):
    objective = StabilityObjective(StabilityObjectiveConfig(ranking="pairwise", noise=0.5, weighting="equal"))
    view = objective.view(examples, np.random.default_rng(0))
    output = outputs(examples)
    expected = []
    for s, t in written_out(examples, output["stability"].detach().numpy()):
        if len(s) < 10:
            continue
        i, j = np.triu_indices(len(s), 1)
        p, q = (1 / (1 + np.exp(-(x[i] - x[j]) / 0.5)) for x in (t, s))
        expected.append(np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))
    found = objective.loss(output, view)["stability_ranking"].value
    assert float(found.detach()) == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("order", ["after", "before"])
def test_hidden_residues_are_not_asked(examples, order):
    stability, hiding = StabilityObjective(), MaskedLM(MaskedLMConfig(rate=0.4, random=0.3))
    both = hiding + stability if order == "after" else stability + hiding
    view = both.view(examples, np.random.default_rng(2))
    types = np.concatenate([example.protein.residue_type for example in examples])
    shown = np.concatenate([protein.residue_type for protein in view.proteins])
    hidden = set(np.nonzero(shown != types)[0].tolist())
    assert len(hidden) > 20
    output = outputs(examples)
    groups = written_out(examples, output["stability"].detach().numpy(), hidden)
    error = [np.mean((s - t) ** 2) / ((np.sum(t**2) + 10) / (len(t) + 10)) for s, t in groups]
    terms = stability.loss(output, view)
    expected = np.average(error, weights=[np.sqrt(len(s)) for s, _ in groups])
    assert float(terms["stability_error"].value.detach()) == pytest.approx(expected, rel=1e-5)
    total(terms).backward()
    gradient = output["stability"].grad.abs().sum(1).numpy()
    assert (gradient[sorted(hidden)] == 0).all()
    assert (gradient > 0).sum() > 20


def test_a_shift_of_all_outputs_of_a_residue_changes_nothing(examples):
    objective = StabilityObjective()
    view = objective.view(examples, np.random.default_rng(0))
    output = outputs(examples)
    moved = {"stability": output["stability"] + torch.randn(150, 1, generator=torch.Generator().manual_seed(1))}
    before, after = (total(objective.loss(values, view)).item() for values in (output, moved))
    assert after == pytest.approx(before, rel=1e-5)


def test_proteins_of_a_batch_do_not_touch_each_other(examples):
    """The terms of a batch are the weighted means of the terms of its proteins."""
    objective = StabilityObjective(StabilityObjectiveConfig(weighting="equal"))
    output = outputs(examples)["stability"].detach()
    whole = objective.loss({"stability": output}, objective.view(examples, np.random.default_rng(0)))
    sums = dict.fromkeys(whole, 0.0)
    for number, example in enumerate(examples):
        part = {"stability": output[30 * number : 30 * (number + 1)]}
        for name, term in objective.loss(part, objective.view([example], np.random.default_rng(0))).items():
            sums[name] += float(term.value) * term.count
    for name, term in whole.items():
        assert sums[name] / term.count == pytest.approx(float(term.value), rel=1e-5)


@pytest.mark.parametrize("ranking", ["pearson", "pairwise"])
def test_a_constant_score_and_a_batch_without_measurements_have_finite_gradients(examples, ranking):
    objective = StabilityObjective(StabilityObjectiveConfig(ranking=ranking))
    for chosen in (examples, [examples[3]], [examples[1]]):
        output = {"stability": torch.zeros(30 * len(chosen), 20, requires_grad=True)}
        loss = total(objective.loss(output, objective.view(chosen, np.random.default_rng(0))))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(output["stability"].grad).all()


def test_equal_values_are_not_ranked(examples):
    flat = {name: np.where(np.isnan(value), value, 1) for name, value in examples[0].labels.items()}
    example = dataclasses.replace(examples[0], labels=flat)
    objective = StabilityObjective()
    terms = objective.loss(outputs([example]), objective.view([example], np.random.default_rng(0)))
    assert terms["stability_ranking"].count == 0
    assert float(terms["stability_ranking"].value.detach()) == 0
    assert terms["stability_error"].count == 1


def test_upon_the_profile_log_odds_are_scaled_by_the_site_and_corrected(examples):
    objective = StabilityObjective(StabilityObjectiveConfig(upon_profile=True))
    assert objective.heads == {"stability": 20, "sensitivity": 1, "profile": 20}
    generator = torch.Generator().manual_seed(3)
    found = {name: torch.randn(150, width, generator=generator) for name, width in objective.heads.items()}
    own, site, profile = (found[name].double().numpy() for name in objective.heads)
    expected = own + np.log1p(np.exp(site)) * profile
    # one float32 rounding of each of three operations
    assert np.allclose(whole_stability(found).numpy(), expected, rtol=1e-6, atol=1e-6)
    view = objective.view(examples, np.random.default_rng(0))
    plain = StabilityObjective().loss({"stability": torch.as_tensor(expected)}, view)
    upon = objective.loss(found, view)
    assert all(float(upon[name].value) == pytest.approx(float(plain[name].value), rel=1e-5) for name in plain)
    assert total(objective.loss(objective.perfect(view), view)) <= total(upon)
