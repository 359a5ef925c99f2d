"""Fine-tuning on labels of whole proteins: from labels to a saved model that names its answers."""

import json

import pytest
import torch

import plait
from plait.config import from_dict
from plait.data.tensors import read_tensors
from plait.models.loading import load
from plait.tasks.ec import Ec
from plait.tasks.fold import Fold
from plait.training.finetune import finetune
from plait.training.options import FinetuneConfig


def config_for(shared, folder, task, **changes):
    data = {"name": {"ec": "enzymes", "fold": "folds"}[task], "folder": str(shared / "data" / "labels")}
    values = {
        "task": task, "data": {**data, "corpus": str(shared / "data" / "corpus")}, "test": [],
        "batch": {"residues": 512, "crop": 64}, "encoder": {"name": "gearnet", "hidden": [8, 8]},
        "run": {"out": str(folder), "steps": 2, "warmup": 1, "validate_every": 2, "threads": 1, "device": "cpu"},
        **changes,
    }  # fmt: skip
    return from_dict(FinetuneConfig, values)


@pytest.mark.slow
def test_ec_from_labels_to_a_table(shared, structures, tmp_path):
    config = config_for(shared, tmp_path / "run", "ec", test=["test"], model=str(tmp_path / "model"), protein_layers=3)
    result = finetune(config, Ec)
    assert set(result.tests["test"][0]) == {
        f"{name}{of}" for name in ("fmax", "aupr") for of in ("", "_30", "_40", "_50", "_70", "_95")
    }
    assert result.tests["test"][0]["fmax"] == pytest.approx(result.tests["test"][0]["fmax_95"])
    answer = Ec()(load(tmp_path / "model"), plait.read_structure(structures / "1ubi.pdb"))
    terms = json.loads((shared / "data" / "labels" / "ec_terms.json").read_text())
    assert list(answer.names) == terms
    assert len(answer.table) == 10
    assert answer.table["probability"].is_monotonic_decreasing


@pytest.mark.slow
def test_a_linear_probe_of_folds_leaves_the_encoder_alone(shared, structures, tmp_path):
    start = finetune(config_for(shared, tmp_path / "first", "fold"), Fold)
    before = read_tensors(tmp_path / "first" / "best.safetensors")
    probed = config_for(shared, tmp_path / "probe", "fold", start=str(tmp_path / "first"), probe=True)
    result = finetune(probed, Fold)
    after = read_tensors(tmp_path / "probe" / "best.safetensors")
    encoder = [name for name in before if name.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    head = "readout.heads.protein_fold.0.weight"
    assert before[head].shape == (1139, 16)
    assert not torch.equal(before[head], after[head])
    assert set(start.validation[0]) == set(result.validation[0]) == {"accuracy"}
    answer = Fold()(result.model, plait.read_structure(structures / "2d7t.pdb.gz"))
    assert answer.table.groupby("chain").size().tolist() == [10, 10]
