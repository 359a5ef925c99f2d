"""The log-odds objective against a correlation written out protein by protein."""

import numpy as np
import pytest
import torch

from plait.data.base import Example
from plait.objectives.log_odds import LEAST, LogOdds
from plait.objectives.masked_lm import MaskedLM, MaskedLMConfig
from plait.structure.protein import Protein


@pytest.fixture
def examples():
    """Three chains with a profile, one without, one with too few positions to rank."""
    generator = np.random.default_rng(0)
    made = []
    for number, residues in enumerate((30, 25, 12, 20, 4)):
        sequence = "".join(generator.choice(list("ACDEFGHIKLMNPQRSTVWYX"), residues))
        profile = generator.dirichlet(np.ones(20), residues).astype(np.float32)
        labels = {"profile": profile, "neff": generator.uniform(1, 60, residues).astype(np.float32)}
        protein = Protein.from_backbone(sequence, generator.normal(size=(residues, 3, 3)))
        made.append(Example(str(number), protein, {} if number == 3 else labels))
    return made


def expected(examples, output, hidden):
    """Mean over proteins of one minus the weighted correlation, and of the squared error over the mean square."""
    found, first = [], 0
    for example in examples:
        rows = range(first, first + len(example.protein))
        first += len(example.protein)
        if not example.labels:
            continue
        s, t, w = [], [], []
        for i, row in enumerate(rows):
            kind = int(example.protein.residue_type[i])
            if kind == 20 or row in hidden:
                continue
            for mutant in range(20):
                s.append(output[row, mutant] - output[row, kind])
                p = example.labels["profile"][i]
                t.append(np.log(p[mutant] + LEAST) - np.log(p[kind] + LEAST))
                w.append(np.sqrt(min(example.labels["neff"][i], 30)))
        s, t, w = map(np.array, (s, t, w))
        covariance = np.cov(np.stack([s, t]), aweights=w, ddof=0)
        correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        error = np.average((s - t) ** 2, weights=w) / np.average(t**2, weights=w)
        found.append((1 - correlation, error, np.sqrt(w.sum() / 20), len(s) / 20 >= 10))
    one, error, weight, ranked = map(np.array, zip(*found))
    return np.average(one, weights=weight * ranked), np.average(error, weights=weight), int(ranked.sum()), len(found)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_it_is_the_correlation_over_a_protein(examples, rate):
    objective = MaskedLM(MaskedLMConfig(rate=rate)) + LogOdds()
    view = objective.view(examples, np.random.default_rng(1))
    output = torch.randn(91, 20, generator=torch.Generator().manual_seed(0))
    terms = objective.loss({"log_odds": output, "residue_type": output}, view)
    hidden = set(np.nonzero(np.concatenate(view.masked))[0])
    assert bool(hidden) == (rate > 0)
    correlation, error, ranked, proteins = expected(examples, output.numpy(), hidden)
    # float32 sums of 600 products
    assert terms["log_odds_correlation"].value.item() == pytest.approx(correlation, abs=1e-5)
    assert terms["log_odds_error"].value.item() == pytest.approx(error, rel=1e-4)
    assert (terms["log_odds_correlation"].count, terms["log_odds_error"].count) == (ranked, proteins)


def test_a_shift_of_a_residue_changes_nothing(examples):
    objective = LogOdds()
    view = objective.view(examples, np.random.default_rng(1))
    output = torch.randn(91, 20, generator=torch.Generator().manual_seed(0))
    shifted = output + torch.randn(91, 1, generator=torch.Generator().manual_seed(1))
    one, other = (objective.loss({"log_odds": value}, view) for value in (output, shifted))
    for name in one:
        assert torch.allclose(one[name].value, other[name].value, atol=1e-5)
