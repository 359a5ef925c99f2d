"""Fine-tuning: resumed runs are the same runs, what is frozen stays, and the written model answers its task."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

import plait
from plait.config import from_dict
from plait.data.tensors import read_tensors
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood import NeighbourhoodEncoder
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.errors import InputError
from plait.models.loading import load, save
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.tasks.binding_sites import BindingSites
from plait.tasks.mutation_effects import MutationEffects
from plait.training import finetune as finetuning
from plait.training.options import FinetuneConfig

SMALL = {"width": 16, "edge_width": 8, "layers": 1, "heads": 2, "neighbours": 8}


def config_for(shared, folder, **changes):
    values = {
        "data": {
            "name": "complexes", "folder": str(shared / "data" / "complexes"), "exclude": "nothing", "longest": 140,
        },
        "test": [],
        "batch": {"residues": 256, "crop": 64},
        "encoder": {"name": "neighbourhood", **SMALL},
        "objective": {"binding-site": {"hidden": 0.1}},
        "run": {
            "out": str(folder), "steps": 6, "warmup": 2, "validate_every": 3, "log_every": 1,
            "checkpoint_minutes": 0.0001, "threads": 1, "device": "cpu",
        },
        **changes,
    }  # fmt: skip
    return from_dict(FinetuneConfig, values)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """The folder of a model with another head, whose encoder is to be fine-tuned."""
    torch.manual_seed(0)
    network = EncoderWithHeads(NeighbourhoodEncoder(NeighbourhoodConfig(**SMALL)), {"profile": 20})
    folder = tmp_path_factory.mktemp("start") / "tiny"
    save(Model("tiny", network, None, Scoring(), {}), folder)
    return folder


def curve(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_curve_and_weights(shared, tmp_path, monkeypatch):
    finetuning.finetune(config_for(shared, tmp_path / "whole"), BindingSites)
    make = finetuning.make_objective

    def make_and_break(options):
        objective, calls = make(options), [0]
        loss = objective.loss

        def breaking(outputs, view):
            calls[0] += 1
            if calls[0] == 5:
                raise RuntimeError("killed")
            return loss(outputs, view)

        objective.loss = breaking
        return objective

    killed = config_for(shared, tmp_path / "killed")
    monkeypatch.setattr(finetuning, "make_objective", make_and_break)
    with pytest.raises(RuntimeError, match="killed"):
        finetuning.finetune(killed, BindingSites)
    monkeypatch.setattr(finetuning, "make_objective", make)
    finetuning.finetune(killed, BindingSites)
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    whole, other = (read_tensors(tmp_path / name / "best.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], other[name]) for name in whole)
    changed = dataclasses.replace(killed, noise=0.5)
    with pytest.raises(InputError, match="another run"):
        finetuning.finetune(changed, BindingSites)


@pytest.mark.slow
def test_the_written_model_finds_sites_with_the_settings_of_its_card(shared, tmp_path, structures):
    # the clusters of test alone tell what no weight was chosen on
    folder = tmp_path / "sites"
    config = config_for(shared, tmp_path / "run", model=str(folder), test=["test_dude"])
    made = finetuning.finetune(config, BindingSites)
    model = load(folder)
    assert model.network.heads == {"binding_site": 1}
    assert set(model.card["binding_sites"]) >= {"threshold", "pocket_threshold", "link"}
    assert model.card["task"] == "binding-sites" and model.card["recipe"]["data"]["name"] == "complexes"
    result = plait.sites(structures / "1ubi.pdb", model=str(folder))
    assert np.isfinite(result.table["probability"]).all()
    again = plait.sites(structures / "1ubi.pdb", model=made.model)
    assert np.array_equal(result.probability, again.probability)
    record = json.loads((tmp_path / "run" / "result.json").read_text())
    assert record["tests"]["test_dude"]["auroc"] == made.tests["test_dude"][0]["auroc"]
    best = max(line["valid_auprc"] for line in curve(tmp_path / "run") if "valid_auprc" in line)
    assert made.validation[0]["auprc"] == pytest.approx(best, abs=1e-5)


@pytest.mark.slow
def test_a_probe_leaves_the_encoder_as_it_was(shared, tmp_path, started):
    config = config_for(shared, tmp_path / "run", start=str(started), probe=True)
    made = finetuning.finetune(config, BindingSites)
    before, after = load(started).network, made.model.network
    for name, value in before.encoder.state_dict().items():
        assert torch.equal(value, after.encoder.state_dict()[name]), name


@pytest.mark.slow
def test_the_encoders_rate_is_its_own(shared, tmp_path, started):
    config = config_for(shared, tmp_path / "run", start=str(started), encoder_rate=1e-6)
    made = finetuning.finetune(config, BindingSites)
    before, after = load(started).network.encoder.state_dict(), made.model.network.encoder.state_dict()
    moved = max(float((after[name] - value).abs().max()) for name, value in before.items())
    # Adam moves a weight by about the learning rate at each of 6 steps
    assert 0 < moved < 6 * 1.5e-3 * 1e-6 + 1e-7
    assert math.isfinite(made.validation[0]["auprc"])


@pytest.mark.slow
def test_a_run_is_a_start_too(shared, tmp_path):
    first = finetuning.finetune(config_for(shared, tmp_path / "first"), BindingSites)
    config = config_for(shared, tmp_path / "second", start=str(tmp_path / "first"), probe=True)
    second = finetuning.finetune(config, BindingSites)
    for name, value in first.model.network.encoder.state_dict().items():
        assert torch.equal(value, second.model.network.encoder.state_dict()[name]), name


@pytest.mark.slow
def test_seeds_have_runs_of_their_own_and_the_best_is_kept(shared, tmp_path):
    config = config_for(shared, tmp_path / "run", seeds=2)
    made = finetuning.finetune(config, BindingSites)
    assert [len(curve(tmp_path / "run" / f"seed-{seed}")) for seed in (0, 1)] == [8, 8]
    reached = [one["auprc"] for one in made.validation]
    assert reached[0] != reached[1]
    assert made.model.card["validation"]["auprc"] == pytest.approx(max(reached), abs=1e-4)
    assert made.model.card["recipe"]["run"]["seed"] == int(np.argmax(reached))


def test_bad_recipes_are_refused(shared, tmp_path, started):
    def refused(match, task=BindingSites, **changes):
        with pytest.raises(InputError, match=match):
            finetuning.finetune(config_for(shared, tmp_path / "run", **changes), task)

    refused("cannot be fine-tuned", task=MutationEffects)
    refused("not among the objectives", objective={"masked-lm": {}})
    refused("split", test=["tests"])
    refused("cannot be a test", test=["valid"])
    refused("there is none", change={"dropout": 0.0})
    refused("do not fit the encoder", start=str(started), change={"layers": 2, "width": 24})
    refused("number of seeds", seeds=0)
    refused("one of plait-geometry", start="plait-braid")
