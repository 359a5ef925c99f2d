"""The recipes of DiffPreT and SiamDiff: two stages of noise, the second from all weights of the first."""

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml

from plait.config import Part, from_dict
from plait.data.conformers import ConformersConfig
from plait.data.tensors import read_tensors
from plait.encoders.gearnet import GearNetEdgeConfig
from plait.objectives.noise_schedule import alphas, noise_scales
from plait.training.options import PretrainConfig
from plait.training.pretrain import make_objective, pretrain

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
STAGES = {
    "diffpret-gearnet-edge": None,
    "diffpret-gearnet-edge-stage2": "diffpret-gearnet-edge",
    "siamdiff-gearnet-edge": None,
    "siamdiff-gearnet-edge-stage2": "siamdiff-gearnet-edge",
    "siamdiff-gearnet-edge-conformers": "siamdiff-gearnet-edge",
}


def recipe(name) -> PretrainConfig:
    return from_dict(PretrainConfig, yaml.safe_load((RECIPES / f"{name}.yaml").read_text()), place=name)


@pytest.mark.parametrize("name", STAGES)
def test_the_schedules_of_the_recipes_are_the_published_ones(name):
    """Noise of the last step in angstrom, and gamma, as the specification's table has them."""
    ((_, objective),) = make_objective(recipe(name).objective).parts
    config = objective.config
    last = noise_scales(alphas(config.sigma_begin, config.sigma_end, config.steps))[-1]
    expected = (13.9, 0.5) if STAGES[name] is None else (0.0224, 0.2)
    assert (last, config.gamma) == (pytest.approx(expected[0], rel=0.01), expected[1])


@pytest.mark.parametrize("name", STAGES)
def test_a_second_stage_begins_where_the_first_ends(name):
    config, first = recipe(name), STAGES[name]
    assert config.run.out == f"runs/{name}"
    assert config.start == (recipe(first).run.out if first else "")
    if first:
        assert config.encoder == recipe(first).encoder


def test_two_stages_on_real_pairs(shared, tmp_path):
    """Encoder and heads of the second stage are those of the first: at a vanishing rate they stay."""
    pairs = ConformersConfig(folder=str(shared / "data" / "conformers"), kind="unbound-bound", longest=70)
    encoder = Part("gearnet-edge", GearNetEdgeConfig(hidden=(8, 8)))

    def staged(name, **run):
        config = recipe(name)
        run = dataclasses.replace(config.run, out=str(tmp_path / name), steps=2, validate_every=2, threads=1, **run)
        start = str(tmp_path / STAGES[name]) if STAGES[name] else ""
        data = Part("conformers", pairs)
        return dataclasses.replace(config, data=data, encoder=encoder, start=start, model="", run=run)

    _, first = pretrain(staged("siamdiff-gearnet-edge"))
    _, second = pretrain(staged("siamdiff-gearnet-edge-conformers", learning_rate=1e-12))
    assert {"siamdiff_structure", "siamdiff_type"} <= first.keys() & second.keys()
    before, after = (read_tensors(tmp_path / n / "best.safetensors") for n in list(STAGES)[2::2])
    assert before.keys() == after.keys()
    assert any(name.startswith("objective_heads.") for name in before)
    learned = [name for name in before if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    assert all(torch.allclose(before[name], after[name], atol=1e-9) for name in learned)
