"""Weights that a recipe keeps stay bit for bit; what is left learns."""

import pytest
import torch

from plait.config import from_dict
from plait.data.tensors import read_tensors
from plait.errors import InputError
from plait.training.options import PretrainConfig
from plait.training.pretrain import pretrain

ENCODER = {"name": "neighbourhood", "width": 16, "edge_width": 8, "layers": 1, "heads": 2, "neighbours": 6}


def config_for(shared, folder, **changes):
    values = {
        "data": {"folder": str(shared / "data" / "corpus"), "split": "valid", "exclude": "nothing", "longest": 55},
        "batch": {"residues": 128, "crop": 48},
        "encoder": ENCODER,
        "objective": {"masked-lm": {"rate": 0.3}, "profile": {}},
        "run": {"out": str(folder), "steps": 2, "warmup": 1, "validate_every": 2, "threads": 1, "device": "cpu"},
    }
    return from_dict(PretrainConfig, values | changes)


@pytest.mark.slow
def test_heads_of_stability_are_taught_on_an_encoder_that_stays(shared, tmp_path):
    pretrain(config_for(shared, tmp_path / "first"))
    data = {"name": "stability", "folder": str(shared / "data" / "stability"), "fewest": 20}
    second = config_for(
        shared,
        tmp_path / "second",
        data=data,
        objective={"stability": {"upon_profile": True}},
        start=str(tmp_path / "first"),
        frozen=["encoder", "readout.heads.profile", "readout.heads.residue_type"],
    )
    network, _ = pretrain(second)
    before = read_tensors(tmp_path / "first" / "best.safetensors")
    after = network.state_dict()
    assert {name.split(".")[2] for name in after.keys() - before.keys()} == {"stability", "sensitivity"}
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert network.heads == {"residue_type": 20, "profile": 20, "stability": 20, "sensitivity": 1}
    torch.manual_seed(0)  # as the run begins
    fresh = type(network)(type(network.encoder)(network.encoder.config), network.heads).state_dict()
    assert not torch.equal(after["readout.heads.sensitivity.weight"], fresh["readout.heads.sensitivity.weight"])


@pytest.mark.parametrize(
    ("frozen", "text"), [(["encodr"], "encodr"), (["encoder", "readout"], "nothing is left to train")]
)
def test_what_cannot_be_frozen_is_said(shared, tmp_path, frozen, text):
    with pytest.raises(InputError, match=text):
        pretrain(config_for(shared, tmp_path / "run", frozen=frozen))
