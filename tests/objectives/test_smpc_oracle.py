"""Span masks give the published losses and gradients, from raw chains and recorded draws on."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from plait.data.base import Example
from plait.encoders.base import EncoderWithHeads
from plait.encoders.vabsnet import VabsnetEncoder
from plait.encoders.vabsnet.published import from_published
from plait.objectives.base import total, whole
from plait.objectives.smpc import Smpc, SmpcConfig, join, publish
from plait.objectives.smpc_published import Draws
from plait.objectives.spans import recorded
from plait.structure.protein import Protein

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "encoders" / "vabsnet"))
from vabsnet_cases import CASES, config_of, protein_of, read_weights, rotation

TERMS = {
    "residue_type": "res_type_loss",
    "residue_type_accuracy": "res_type_acc",
    "position": "atom_pos_loss",
    "pair_distance": "atom_dist_loss",
    "torsion": "dihedral_loss",
    "accessibility": "sas_loss",
}
SMPC = [name for name in CASES if "smpc" in name]
LOSS, GRADIENT = 2e-5, 1e-4
"""Tolerances of the oracle's README: absolute, and relative for norms above 1e-3."""


def example_of(oracle, name) -> tuple[Example, dict]:
    arrays = dict(np.load(oracle / "vabsnet" / f"{name}.npz"))
    present = arrays["raw/atom_masks"] > 0
    protein: Protein = protein_of(arrays["raw/atom_pos"], present, arrays["raw/residue_type"], name)
    language = np.concatenate([arrays["raw/esm_feat"], arrays["raw/esm_cls_feat"][None]]).astype(np.float32)
    return Example(name, protein, {"language": language}), arrays


def draws_of(example, arrays) -> Draws:
    kept = np.isfinite(example.protein.c_alpha).all(-1)
    turned = arrays["raw/atom_pos"] @ rotation(*arrays["draws/euler_theta_phi_gamma"]) + arrays["draws/translation"]
    turned = (turned - turned[kept, 1].mean(0)) * arrays["raw/atom_masks"][..., None]
    noise = np.zeros((int(kept.sum()), 37, 3))
    noise[:, [0, 1, 2, 4]] = arrays["draws/noisy_backbone_N_CA_C_O"] - turned[kept][:, [0, 1, 2, 4]]
    spans = recorded(arrays["draws/span_poisson_and_start"])
    angles, shift = arrays["draws/euler_theta_phi_gamma"], arrays["draws/translation"]
    return Draws(angles, shift, spans, lambda residues: noise)


def published_view(oracle, names):
    shown = []
    for name in names:
        example, arrays = example_of(oracle, name)
        start = whole([example])
        one = publish(start.proteins[0], start.masked[0], start.extras[0], example, draws_of(example, arrays))
        shown.append(one)
    return join(whole([example_of(oracle, name)[0] for name in names]), shown)


def network_of(oracle, name):
    encoder = VabsnetEncoder(config_of(oracle, name))
    objective = Smpc(SmpcConfig(compat=True))
    network = EncoderWithHeads(encoder, objective.heads)
    state = from_published(read_weights(oracle, name))
    state = {key.replace("encoder.", "encoder.vabsnet.", 1): value for key, value in state.items()}
    state = {key.replace("heads.", "readout.heads.", 1): value.float() for key, value in state.items()}
    own = network.state_dict()
    network.load_state_dict({key: value for key, value in state.items() if key in own})
    return network.eval(), objective


def answer(network, view):
    extras = {name: [extra[name] for extra in view.extras] for name in view.extras[0]}
    return network(network.encoder.prepare(view.proteins, masked=view.masked, **extras))


@pytest.mark.parametrize("names", [[name] for name in SMPC] + [["base_smpc_1l2y", "base_smpc_2axd"]], ids="+".join)
@torch.no_grad()
def test_losses(oracle, names):
    view = published_view(oracle, names)
    network, objective = network_of(oracle, names[0])
    terms = objective.loss(answer(network, view), view)
    if len(names) > 1:
        expected = json.loads((oracle / "vabsnet" / "loss_values.json").read_text())["base/smpc_batch_1l2y+2axd"]
    else:
        arrays = np.load(oracle / "vabsnet" / f"{names[0]}.npz")
        expected = {key.removeprefix("loss/"): float(arrays[key]) for key in arrays if key.startswith("loss/")}
    assert set(terms) == set(TERMS)
    for name, published in TERMS.items():
        assert abs(terms[name].value.item() - expected[published]) <= LOSS, name
    assert abs(total(terms).item() - expected["loss"]) <= 5 * LOSS  # five of them


def test_gradients(oracle):
    name = "base_smpc_1l2y"
    view = published_view(oracle, [name])
    network, objective = network_of(oracle, name)
    network.zero_grad()
    total(objective.loss(answer(network, view), view)).backward()
    norms = {key: p.grad.norm().item() for key, p in network.named_parameters() if p.grad is not None}
    expected = json.loads((oracle / "vabsnet" / f"gradient_norms_{name}.json").read_text())
    renamed = from_published({key: torch.tensor(value or 0.0) for key, value in expected["norms"].items()})
    seen = 0
    for key, value in renamed.items():
        key = key.replace("encoder.", "encoder.vabsnet.", 1).replace("heads.", "readout.heads.", 1)
        if value > 1e-3:
            assert abs(norms[key] - value.item()) <= GRADIENT * value.item(), key
            seen += 1
    assert seen > 100


@pytest.mark.parametrize("name", SMPC)
def test_targets(oracle, name):
    arrays = np.load(oracle / "vabsnet" / f"{name}.npz")
    view = published_view(oracle, [name])
    kept = view.weights["torsion_length"] > 0
    mask = arrays["target/torsion_mask"].reshape(-1, 7, 2)[..., 0]
    torsion = arrays["target/torsion"].reshape(-1, 7, 2)
    assert np.array_equal(view.weights["torsion"][kept] > 0, mask > 0)
    # float32 storage of ours, and the published unit has 1e-8 under its root
    assert np.abs((view.targets["torsion"][kept] - torsion)[mask > 0]).max() <= 1e-5
    present = arrays["raw/atom_masks"][arrays["raw/atom_masks"][:, 1] > 0] > 0
    visible = present & (~view.masked[0][kept][:, None] | (np.arange(37) == 1))
    if "residue_only" in name:
        visible &= np.arange(37) == 1
    areas = view.targets["atom_accessibility"][kept][visible]
    assert np.abs(areas - arrays["target/atom_sas"][: len(areas)]).max() <= 1e-5
    hidden = view.masked[0][kept]
    types = arrays["target/residue_type"][arrays["in/res_mask"] > 0][: len(hidden)]
    assert np.array_equal(view.targets["residue_type"][kept], types)
