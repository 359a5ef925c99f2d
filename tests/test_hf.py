"""The Auto classes of transformers: published ProSST folders give the published numbers, other encoders their own."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")

from transformers import (  # noqa: E402
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

import plait.hf  # noqa: E402
from plait import registry  # noqa: E402
from plait.data.tensors import read_tensors  # noqa: E402
from plait.encoders.base import EncoderWithHeads  # noqa: E402
from plait.encoders.prosst.published import load_folder  # noqa: E402
from plait.errors import InputError  # noqa: E402
from plait.models.catalogue import bundled  # noqa: E402
from plait.models.networks import read_network, save_network  # noqa: E402
from plait.structure.reading import read_structure  # noqa: E402

CASES = (
    "default_max_rel", "full_k20", "full_k512", "large_eps_string_terms", "long", "no_aa2pos", "no_aa2ss",
    "no_pos2aa", "no_ss2aa", "no_structure", "no_terms", "no_token_dropout", "only_pos", "only_ss", "plain",
    "plain_listed_terms", "rotary",
)  # fmt: skip
TOLERANCE = 1e-5
"""Of the oracle's README."""


def read(oracle, name):
    folder = oracle / "prosst" / "lm" / name
    arrays = dict(np.load(folder / "expected.npz"))
    keys = ("input_ids", "ss_input_ids", "attention_mask", "labels")
    return folder, {key: torch.from_numpy(arrays[key].astype(np.int64)) for key in keys}, arrays


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_published_folders(oracle, name):
    folder, inputs, expected = read(oracle, name)
    model, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert isinstance(model, plait.hf.ProSSTForMaskedLM)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert model.config.structure_to_residue == "compat"
    output = model(**inputs)
    real = inputs["attention_mask"].bool()
    assert (output.logits - torch.from_numpy(expected["logits"]))[real].abs().max() < TOLERANCE
    assert abs(float(output.loss) - float(expected["loss"])) < TOLERANCE
    if "hidden_states" in expected:
        output = model(**inputs, output_hidden_states=True, output_attentions=True)
        for got, want in zip(output.hidden_states, expected["hidden_states"], strict=True):
            assert (got - torch.from_numpy(want))[real].abs().max() < TOLERANCE
        want = torch.from_numpy(expected["attentions_layer0_row0"])
        assert (output.attentions[0][0] - want).abs().max() < TOLERANCE
        assert model(**inputs, return_dict=False)[1].shape == output.logits.shape


@pytest.mark.parametrize("name", ["full_k20", "rotary", "plain"])
@torch.no_grad()
def test_saved_and_loaded(oracle, tmp_path, name):
    folder, inputs, _ = read(oracle, name)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    model.save_pretrained(tmp_path)
    again = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    assert again.config.structure_to_residue == "compat"
    tensors = dict(again.named_parameters()) | dict(again.named_buffers())
    for kind in (model.named_parameters(), model.named_buffers()):
        for key, tensor in kind:
            assert torch.equal(tensor, tensors[key]), key
    assert torch.equal(model(**inputs).logits, again(**inputs).logits)
    # and the plain modules read what transformers wrote
    assert torch.equal(load_folder(tmp_path)(**inputs).logits, again(**inputs).logits)


def test_new_models_are_corrected(tmp_path):
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = plait.hf.ProSSTConfig(**small, position_embedding_type="rotary", profile_head=True)
    assert config.structure_to_residue == "corrected"
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).eval()
    assert model.prosst.embeddings.word_embeddings.weight[0].abs().max() == 0
    assert 0.01 < model.prosst.embeddings.word_embeddings.weight[1:].std() < 0.03
    assert torch.equal(model.cls.predictions.transform.LayerNorm.weight, torch.ones(32))
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["structure_to_residue"] == "corrected"
    again = AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert again.config.structure_to_residue == "corrected"
    frequencies = again.prosst.encoder.layer[0].attention.self.rotary_embeddings.inv_freq
    assert torch.allclose(frequencies, 10000.0 ** (-torch.arange(0, 16, 2) / 16))
    ids = torch.randint(3, 23, (2, 9))
    assert torch.equal(again(ids, ids).profile_logits, model(ids, ids).profile_logits)


@torch.no_grad()
def test_the_encoder_alone_has_the_weights(oracle):
    """The published program leaves every tensor random here (spec B10)."""
    folder, inputs, expected = read(oracle, "full_k20")
    model, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    inputs.pop("labels")
    got = model(**inputs).last_hidden_state
    real = inputs["attention_mask"].bool()
    assert (got - torch.from_numpy(expected["hidden_states"][-1]))[real].abs().max() < TOLERANCE


@torch.no_grad()
def test_the_tied_decoder_may_be_in_the_file(oracle, tmp_path):
    from safetensors.torch import load_file, save_file

    folder, inputs, expected = read(oracle, "full_k20")
    shutil.copy(folder / "config.json", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["cls.predictions.decoder.weight"] = tensors["prosst.embeddings.word_embeddings.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model, info = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    real = inputs["attention_mask"].bool()
    assert (model(**inputs).logits - torch.from_numpy(expected["logits"]))[real].abs().max() < TOLERANCE


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing(oracle, reentrant):
    """Same loss and gradients; the published program fails (spec B10)."""
    folder, inputs, _ = read(oracle, "full_k20")
    found = []
    for checkpointing in (False, True):
        model = AutoModelForMaskedLM.from_pretrained(
            folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        ).train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            assert model.prosst.gradient_checkpointing
        loss = model(**inputs).loss
        loss.backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None} | {"": loss.detach()})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], atol=1e-6), name


def test_classifiers(oracle):
    folder, inputs, _ = read(oracle, "full_k20")
    inputs.pop("labels")
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=4, output_loading_info=True)
    new = {"classifier.bias", "classifier.weight", "pooler.dense.bias", "pooler.dense.weight"}
    assert set(info["missing_keys"]) == new
    output = model.eval()(**inputs, labels=torch.tensor([0, 3, 1]))
    assert output.logits.shape == (3, 4)
    alone = model(**{key: value[2:, :9] for key, value in inputs.items()})  # row 2 has 9 tokens
    assert torch.allclose(output.logits[2], alone.logits[0], atol=1e-5)
    output.loss.backward()
    assert model(**inputs, labels=torch.rand(3, 4)).loss.isfinite()
    regression = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    assert regression(**inputs, labels=torch.rand(3)).loss.isfinite()
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=3)
    labels = torch.where(inputs["attention_mask"].bool(), 1, -100)
    output = model(**inputs, labels=labels)
    assert output.logits.shape == (*labels.shape, 3)
    output.loss.backward()
    assert model.prosst.embeddings.ss_embeddings.weight.grad.abs().max() > 0


def test_tokenizer(oracle, tmp_path):
    """The published tokens, except that each unknown letter is one token."""
    lm = oracle / "prosst" / "lm"
    for name in ("vocab.txt", "tokenizer_config.json", "full_k20/config.json"):
        shutil.copy(lm / name, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(tokenizer, plait.hf.ProSSTTokenizer)
    cases = json.loads((lm / "tokenizer_cases.json").read_text())
    ours = {  # where the published one merges a run of unknown letters
        "MXXBA": [1, 13, 23, 23, 23, 3, 2],
        "mka": [1, 23, 23, 23, 2],
        "MUOZ": [1, 13, 23, 23, 23, 2],
    }
    assert ours.keys() < cases["single"].keys()
    for sequence, ids in cases["single"].items():
        assert tokenizer(sequence)["input_ids"] == ours.get(sequence, ids), sequence
    padded = tokenizer(cases["padded"]["input"], padding=True)
    assert padded["input_ids"] == cases["padded"]["input_ids"]
    assert padded["attention_mask"] == cases["padded"]["attention_mask"]
    assert tokenizer.model_max_length == 2048
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id) == (0, 24, 23)
    tokenizer.save_pretrained(tmp_path / "again")
    shutil.copy(tmp_path / "config.json", tmp_path / "again")
    again = AutoTokenizer.from_pretrained(tmp_path / "again")
    assert again("MXA<mask>")["input_ids"] == [1, 13, 23, 3, 24, 2]
    assert again.decode([1, 13, 11, 2], skip_special_tokens=True) == "MK"
    assert AutoTokenizer.from_pretrained(lm / "full_k20")("MK")["input_ids"] == [1, 13, 11, 2]


def test_other_tokenizers_are_left_alone(oracle, tmp_path):
    lm = oracle / "prosst" / "lm"
    shutil.copy(lm / "vocab.txt", tmp_path)
    shutil.copy(lm / "tokenizer_config.json", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "esm"}))
    assert type(AutoTokenizer.from_pretrained(tmp_path)).__name__ == "EsmTokenizer"


def test_configuration(oracle):
    config = AutoConfig.from_pretrained(oracle / "prosst" / "lm" / "full_k20")
    assert isinstance(config, plait.hf.ProSSTConfig)
    assert config.plain().structure_states == 20
    assert config.num_labels == 2


# -- every encoder

SMALL = {
    "neighbourhood": {"width": 32, "layers": 2, "heads": 4, "edge_width": 16, "neighbours": 12},
    "vabsnet": {"layers": 2, "width": 32, "feed_forward": 64, "heads": 4},
    "gearnet": {"hidden": [24, 24, 24]},
    "gearnet-edge": {"hidden": [24, 24, 24]},
    "gvp": {"layers": 2, "level": "atom"},
}
HEADS = {"residue_type": 20, "protein_kind": 3}


@pytest.fixture(scope="module")
def protein(structures):
    return read_structure(structures / "2d7t.pdb.gz")


def network_of(name):
    """A network of plait whose buffers are not as they were made."""
    torch.manual_seed(1)
    cls = registry.get("encoder", name)
    network = EncoderWithHeads(cls(cls.Config(**SMALL[name])), HEADS, protein_layers=2)
    for key, buffer in network.named_buffers():
        buffer.copy_(torch.full_like(buffer, 7) if not buffer.is_floating_point() else torch.rand_like(buffer) + 0.5)
        assert key  # so that the folder must hold it
    return network.eval()


def test_every_encoder_is_registered():
    assert registry.parts("encoder").keys() - {"prosst"} == SMALL.keys()
    for name, options in SMALL.items():
        config = AutoConfig.for_model(name, config=options)
        assert config.model_type == config.encoder == name
        assert config.plain() == registry.get("encoder", name).Config(**options)
        assert isinstance(AutoModel.from_config(config), plait.hf.PlaitEncoderModel)


@pytest.mark.parametrize("model_type", ["plait", "the encoder's"])
@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_folder_of_plait_there_and_back(name, model_type, protein, tmp_path):
    """Outputs are the plain encoder's bit for bit; every tensor comes back, and plait reads what transformers wrote."""
    network = network_of(name)
    save_network(network, tmp_path / "ours")
    if model_type != "plait":
        file = tmp_path / "ours" / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "model_type": name}))
    model = AutoModel.from_pretrained(tmp_path / "ours")
    assert not model.training
    assert model.config.heads == HEADS
    model.save_pretrained(tmp_path / "theirs")
    again = AutoModel.from_pretrained(tmp_path / "theirs")
    assert type(again) is type(model)
    assert again.config.model_type == ("plait" if model_type == "plait" else name)
    plain = network.encoder(network.encoder.prepare([protein, protein.select_chain("H")]))
    answers = network.readout(plain)
    for read in (model, again, read_network(tmp_path / "theirs")):
        expected, found = network.state_dict(), read.state_dict()
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            assert found[key].dtype == tensor.dtype
            assert torch.equal(found[key], tensor), key
        if read in (model, again):
            output = read(read.prepare([protein, protein.select_chain("H")]))
            assert torch.equal(output.last_hidden_state, plain.residue)
            assert torch.equal(output.pooler_output, plain.protein)
            assert torch.equal(output.residue_offsets, plain.residue_offsets)
            assert (output.atoms is None) == (plain.atom is None)
            if plain.atom is not None:
                assert torch.equal(output.atoms, plain.atom)
            assert output.logits.keys() == answers.keys()
            assert all(torch.equal(output.logits[head], answers[head]) for head in answers)
    assert torch.equal(
        read_network(tmp_path / "theirs").encoder(network.encoder.prepare([protein])).residue,
        network.encoder(network.encoder.prepare([protein])).residue,
    )


@torch.no_grad()
def test_half_precision_in_a_file_is_float32_in_memory(protein):
    folder = bundled()["plait-geometry"]
    assert {tensor.dtype for tensor in read_tensors(folder / "model.safetensors").values()} == {torch.float16}
    model = AutoModel.from_pretrained(folder)
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    name = protein.chains[0]
    with torch.inference_mode():
        ours = model(model.prepare([protein.select_chain(name)])).last_hidden_state
    assert np.array_equal(ours.numpy(), plait.embed(protein, "plait-geometry")[name])
    assert AutoModel.from_pretrained(folder, dtype=torch.float16).dtype == torch.float16


def test_prosst_in_a_folder_of_plait(protein, tmp_path):
    from plait.encoders.prosst import ProsstConfig
    from plait.encoders.prosst.encoder import ProsstEncoder

    torch.manual_seed(0)
    config = ProsstConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, ss_vocab_size=24,
        position_embedding_type="rotary",
    )  # fmt: skip
    network = EncoderWithHeads(ProsstEncoder(config), {"residue_type": 20, "profile": 20}).eval()
    save_network(network, tmp_path)
    model = AutoModel.from_pretrained(tmp_path)
    tokens = [np.arange(len(protein)) % 20]
    expected = network(network.encoder.prepare([protein], structure_tokens=tokens))
    output = model(model.prepare([protein], structure_tokens=tokens))
    assert all(torch.equal(output.logits[head], expected[head]) for head in expected)
    assert set(output.logits) == {"residue_type", "profile"}


def test_new_models_have_the_weights_that_the_encoder_draws():
    for name, options in SMALL.items():
        cls = registry.get("encoder", name)
        torch.manual_seed(3)
        expected = cls(cls.Config(**options)).state_dict()
        torch.manual_seed(3)
        found = AutoModel.from_config(AutoConfig.for_model(name, config=options)).encoder.state_dict()
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


def test_a_model_of_transformers_can_be_trained(protein):
    model = AutoModel.from_config(AutoConfig.for_model("gearnet", config=SMALL["gearnet"], heads=HEADS)).train()
    output = model(model.prepare([protein]))
    output.logits["protein_kind"].square().sum().backward()
    assert model.encoder.gearnet.layers[0].self_loop.weight.grad.abs().max() > 0


def test_bad_folders_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_network(network_of("gvp"), tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    first = next(iter(tensors))
    save_file({key: tensor for key, tensor in tensors.items() if key != first}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match="1 missing"):
        AutoModel.from_pretrained(tmp_path)
    save_file({**tensors, "more": torch.zeros(1)}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match="1 unexpected: more"):
        AutoModel.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="Did you mean 'layers'"):
        AutoConfig.for_model("gvp", config={"layer": 3})
    with pytest.raises(InputError, match="another encoder than the model type says"):
        AutoConfig.for_model("gvp", encoder="gearnet")
    with pytest.raises(InputError, match="level is a field of the encoder"):
        AutoConfig.for_model("gvp", level="atom")
    with pytest.raises(InputError, match="Attention heads: config="):
        AutoConfig.for_model("vabsnet", heads=4)


def test_plait_alone_does_not_import_transformers():
    code = "import sys, plait, plait.encoders.prosst; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
