"""ProSST gives the numbers of the published program, on every case of the oracle."""

import dataclasses
import json
import zlib

import numpy as np
import pytest
import torch

from plait.encoders.prosst.configuration import ProsstConfig
from plait.encoders.prosst.modeling import ProsstForMaskedLM
from plait.encoders.prosst.published import load_folder, load_state

CASES = (
    "default_max_rel", "full_k20", "full_k512", "large_eps_string_terms", "long", "no_aa2pos", "no_aa2ss", "no_pos2aa",
    "no_ss2aa", "no_structure", "no_terms", "no_token_dropout", "only_pos", "only_ss", "plain", "plain_listed_terms",
    "rotary",
)  # fmt: skip

TOLERANCE = 1e-5
"""Of the oracle's README: float32 rounding of the published program itself is at most 2.6e-6."""


def read_case(oracle, name):
    arrays = dict(np.load(oracle / "prosst" / "lm" / name / "expected.npz"))
    inputs = {
        key: torch.from_numpy(arrays[key].astype(np.int64))
        for key in ("input_ids", "ss_input_ids", "attention_mask", "labels")
    }
    return load_folder(oracle / "prosst" / "lm" / name), inputs, arrays


def corrected(model):
    other = ProsstForMaskedLM(dataclasses.replace(model.config, structure_to_residue="corrected"))
    load_state(other, model.state_dict())
    return other.eval()


def assert_equal(got, expected, mask=None):
    difference = np.abs(got.detach().numpy() - expected)
    if mask is not None:
        difference = difference[mask.bool().numpy()]
    assert difference.max() < TOLERANCE


@pytest.mark.parametrize("gradients", [False, True], ids=["lean", "with gradients"])
@pytest.mark.parametrize("name", CASES)
def test_logits_and_loss(oracle, name, gradients):
    model, inputs, expected = read_case(oracle, name)
    mask = inputs["attention_mask"]
    with torch.set_grad_enabled(gradients):
        output = model(**inputs)
        assert_equal(output.logits, expected["logits"], mask)
        assert_equal(output.loss, expected["loss"])
        if "logits_corrected" in expected:
            output = corrected(model)(**inputs)
            assert_equal(output.logits, expected["logits_corrected"], mask)
            assert_equal(output.loss, expected["loss_corrected"])


@torch.no_grad()
def test_states_inside(oracle):
    model, inputs, expected = read_case(oracle, "full_k20")
    mask = inputs["attention_mask"]
    output = model(**inputs, output_hidden_states=True)
    for got, want in zip(output.hidden_states, expected["hidden_states"], strict=True):
        assert_equal(got, want, mask)
    hidden, structure = model.prosst.embeddings(inputs["input_ids"], inputs["ss_input_ids"], mask.bool())
    assert_equal(hidden, expected["embedding_output"])
    assert_equal(structure, expected["structure_embedding_output"])
    output = model(**inputs, output_attentions=True)
    assert_equal(output.attentions[0][0], expected["attentions_layer0_row0"])
    assert_equal(output.logits, expected["logits"], mask)
    output = model(inputs["input_ids"][:1], inputs["ss_input_ids"][:1])
    assert_equal(output.logits, expected["logits_row0_without_attention_mask"])


def full_size_model(recipe):
    """The published ProSST-2048 in size, with the weights of the oracle's recipe."""
    config = ProsstConfig.from_dict({
        "vocab_size": 25, "ss_vocab_size": 2051, "relative_attention": True, "max_relative_positions": 1024,
        "max_position_embeddings": -1, "pos_att_type": "aa2pos|pos2aa|aa2ss|ss2aa",
    })  # fmt: skip
    model = ProsstForMaskedLM(config)
    total = 0.0
    for name, parameter in model.state_dict().items():
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        z = generator.standard_normal(parameter.numel(), dtype=np.float32)
        if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
            z = 1 + np.float32(0.125) * z
        else:
            z *= np.float32(0.0625 if name.endswith("bias") else 0.03125)
        z = z.reshape(parameter.shape)
        if name == "prosst.embeddings.word_embeddings.weight":
            z[0] = 0
        if name in recipe["first_values"]:
            assert z.ravel()[:3].tolist() == recipe["first_values"][name]
        total += z.sum(dtype=np.float64)
        parameter.copy_(torch.from_numpy(z))
    assert abs(total - recipe["sum_of_all_parameters"]) < 1e-6
    return model.eval()


@pytest.mark.slow
@torch.no_grad()
def test_full_size(oracle):
    folder = oracle / "prosst" / "lm"
    recipe = json.loads((folder / "full_size_expected.json").read_text())
    expected = np.load(folder / "full_size_expected.npz")
    model = full_size_model(recipe)
    assert len(model.state_dict()) == 275
    for name in ("p1", "grb2_af"):
        ids, structure = (
            torch.from_numpy(expected[f"{name}_{kind}"].astype(np.int64)) for kind in ("input_ids", "ss_input_ids")
        )
        output = model(ids, structure, output_hidden_states=name == "p1")
        assert_equal(output.logits, expected[f"{name}_logits"])
        if name == "p1":
            assert_equal(torch.stack([h[0, 1] for h in output.hidden_states]), expected["p1_hidden_first_residue"])
    log_probability = output.logits[0].log_softmax(-1)[1:-1]
    letters = "ACDEFGHIKLMNPQRSTVWY"
    for mutant, score in recipe["scores_grb2_af"].items():
        got = 0.0
        for change in mutant.split(":"):
            row = log_probability[int(change[1:-1]) - 1]
            got += float(row[3 + letters.index(change[-1])] - row[3 + letters.index(change[0])])
        assert abs(got - score) < TOLERANCE
