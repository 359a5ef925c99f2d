"""Masked-language modelling: rates and schedules."""

import numpy as np
import pytest

from plait.data.base import Example
from plait.objectives.masked_lm import MaskedLM, MaskedLMConfig
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN


@pytest.fixture
def examples():
    generator = np.random.default_rng(0)
    made = []
    for number in range(40):
        sequence = "".join(generator.choice(list("ACDEFGHIKLMNPQRSTVWYX"), 200))
        backbone = generator.normal(size=(200, 3, 3)).astype(np.float32)
        made.append(Example(str(number), Protein.from_backbone(sequence, backbone)))
    return made


def shares(config, examples):
    view = MaskedLM(config).view(examples, np.random.default_rng(1))
    weights = view.weights["residue_type"].reshape(len(examples), -1)
    return view, weights.mean(1)


def test_published_rule_shows_a_tenth_and_changes_a_tenth(examples):
    view, asked = shares(MaskedLMConfig(rate=0.5, random=0.1, kept=0.1), examples)
    assert abs(asked.mean() - 0.5 * 20 / 21) < 0.02  # unknown residues are never asked
    weights = view.weights["residue_type"] > 0
    shown = np.concatenate([p.residue_type for p in view.proteins])
    true = np.concatenate([e.protein.residue_type for e in examples])
    masked = np.concatenate(view.masked)
    # 8,000 residues, 3,800 asked: three standard deviations of a share of 0.1 are 0.015
    assert abs((masked & weights).sum() / weights.sum() - 0.8) < 0.02
    kept = weights & ~masked & (shown == true)
    assert abs(kept.sum() / weights.sum() - (0.1 + 0.1 / 20)) < 0.015
    assert not (masked & ~weights).any()
    assert (shown[masked] == UNKNOWN).all()


def test_schedules(examples):
    _, uniform = shares(MaskedLMConfig(schedule="uniform", rate=0.8), examples)
    assert uniform.std() > 0.15
    assert uniform.max() <= 0.85
    _, unmasked = shares(MaskedLMConfig(unmasked=1.0), examples)
    assert unmasked.max() == 0
    _, whole = shares(MaskedLMConfig(whole=1.0), examples)
    assert whole.min() > 0.85  # all but the unknown residues
    view, span = shares(MaskedLMConfig(schedule="span", rate=0.3, span=8), examples)
    assert abs(span.mean() - 0.3) < 0.06
    runs = np.diff(np.concatenate(view.masked).astype(int)).clip(min=0).sum()
    assert np.concatenate(view.masked).sum() / runs > 4  # hidden in runs, not one by one
