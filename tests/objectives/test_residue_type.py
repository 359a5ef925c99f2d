"""Residue types give the published loss, and run with every encoder."""

import numpy as np
import pytest
from siamdiff_cases import Case, without_residue_types

from plait.objectives.base import whole
from plait.objectives.residue_type import ResidueType, ResidueTypeConfig

OPTIONS = {"residue": {"layers": 2}, "atom": {"layers": 3, "average": "proteins"}}


@pytest.mark.parametrize("level", OPTIONS)
def test_the_published_loss(oracle, level):
    case = Case(oracle, f"residue-type.{level}")
    objective = ResidueType(ResidueTypeConfig(compat=True, **OPTIONS[level]))
    drawn = case.arrays["draw:masked_node" if level == "residue" else "draw:masked_residue.0"]
    view = objective.ask(whole(case.examples), case.examples, case.split(drawn))
    heads = objective.make_heads(case.encoder())
    heads.mlp.load_state_dict(case.heads("seq_mlp" if level == "atom" else "mlp", types=True))
    case.check(case.loss(objective, view, heads, without_residue_types if level == "atom" else lambda batch: batch))


def test_published_draws_may_repeat(oracle):
    case = Case(oracle, "residue-type.residue")
    for compat in (True, False):
        objective = ResidueType(ResidueTypeConfig(compat=compat, rate=0.9))
        weights = objective.view(case.examples, np.random.default_rng(0)).weights["residue_type"]
        assert (weights.max() > 1) == compat
        assert weights.sum() == sum(int(0.9 * len(example.protein)) for example in case.examples)
