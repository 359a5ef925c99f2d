"""A killed run goes on to the same loss curve; a folder of another run is refused."""

import dataclasses
import json

import pytest
import torch

from plait.config import from_dict
from plait.errors import InputError
from plait.training import pretrain as pretraining
from plait.training.options import PretrainConfig


def config_for(shared, folder):
    return from_dict(
        PretrainConfig,
        {
            "data": {"folder": str(shared / "data" / "corpus"), "split": "valid", "exclude": "nothing", "longest": 55},
            "batch": {"residues": 256, "crop": 48},
            "encoder": {
                "name": "prosst", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 32, "ss_vocab_size": 0, "pos_att_type": ["aa2pos", "pos2aa"],
            },
            "objective": {"masked-lm": {"rate": 0.3}, "profile": {"weight": 0.5}},
            "run": {
                "out": str(folder), "steps": 6, "warmup": 2, "validate_every": 3, "log_every": 1,
                "checkpoint_minutes": 0.0001, "threads": 1, "device": "cpu",
            },
        },
    )  # fmt: skip


def curve(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_curve(shared, tmp_path, monkeypatch):
    whole = config_for(shared, tmp_path / "whole")
    pretraining.pretrain(whole)

    killed = config_for(shared, tmp_path / "killed")
    make, calls = pretraining.make_batch, [0]

    def make_or_break(*arguments):
        calls[0] += 1
        if calls[0] == 5:
            raise RuntimeError("killed")
        return make(*arguments)

    monkeypatch.setattr(pretraining, "make_batch", make_or_break)
    with pytest.raises(RuntimeError, match="killed"):
        pretraining.pretrain(killed)
    monkeypatch.setattr(pretraining, "make_batch", make)
    assert (tmp_path / "killed" / "last.ckpt").exists()
    pretraining.pretrain(killed)

    # bit for bit: same batches, same draws, same arithmetic on one thread
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    assert [line["step"] for line in curve(tmp_path / "whole")] == [1, 2, 3, 3, 4, 5, 6, 6]

    other = dataclasses.replace(killed, run=dataclasses.replace(killed.run, learning_rate=0.5))
    with pytest.raises(InputError, match="another run"):
        pretraining.pretrain(other)


@pytest.mark.slow
def test_a_finished_run_is_not_run_again(shared, tmp_path):
    config = config_for(shared, tmp_path / "run")
    _, first = pretraining.pretrain(config)
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    _, second = pretraining.pretrain(config)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    assert first == second


@pytest.mark.slow
def test_mixed_precision_trains_with_clipped_gradients(shared, tmp_path):
    config = config_for(shared, tmp_path / "run")
    run = dataclasses.replace(config.run, steps=2, validate_every=2, precision="bf16-mixed")
    network, found = pretraining.pretrain(dataclasses.replace(config, run=run))
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
    assert found["loss"] == pytest.approx(found["loss"])  # a number
    assert [line["step"] for line in curve(tmp_path / "run")] == [1, 2, 2]
