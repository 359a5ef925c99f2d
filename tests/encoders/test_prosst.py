"""What ProSST promises beside the published numbers: equal to a plain transcription, ragged, lean, complete."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from reference_prosst import masked_lm

from plait.encoders.prosst import ProsstConfig, ProsstEncoder, ProsstForMaskedLM
from plait.encoders.prosst import attention as attention_module
from plait.encoders.prosst.configuration import TERMS
from plait.encoders.prosst.features import MASK, UNK, prepare, random_structure_tokens
from plait.encoders.prosst.published import load_folder, load_state, save_folder
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES

SMALL = ProsstConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_relative_positions=16,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip


def make(config=SMALL, seed=0, dtype=torch.float32):
    """A model whose weights are all large enough to matter."""
    model = ProsstForMaskedLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.2 * noise if "LayerNorm.weight" in name else 0.2 * noise)
    return model.to(dtype).eval()


def draw(config, lengths, seed=0, masked=True):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    ids = torch.randint(3, 25 if masked else 23, shape, generator=generator)
    structure = torch.randint(3, max(4, config.ss_vocab_size), shape, generator=generator)
    mask = (torch.arange(shape[1]) < torch.tensor(lengths)[:, None]).long()
    return ids * mask, structure * mask if config.has_structure else None, mask


def replaced(**changes):
    return dataclasses.replace(SMALL, **changes)


CONFIGS = {
    **{
        "|".join((*terms, form)) or "none": replaced(pos_att_type=terms, structure_to_residue=form)
        for count in range(5)
        for terms in itertools.combinations(TERMS, count)
        for form in ("corrected", "compat")
    },
    "no structure": replaced(ss_vocab_size=0, pos_att_type=("aa2pos", "pos2aa")),
    "plain": replaced(relative_attention=False),
    "rotary": replaced(position_embedding_type="rotary"),
    "rotary compat": replaced(position_embedding_type="rotary", structure_to_residue="compat"),
    "one head": replaced(num_attention_heads=1),
    "no token dropout, large eps": replaced(token_dropout=False, layer_norm_eps=0.1),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@torch.no_grad()
def test_equals_the_transcription(config):
    """In float64, so that only a difference in what is computed can show; up to 10 times the reach of the table.

    Frequencies of rotary positions are float32, as in the published files: 1e-6 there."""
    tolerance = 1e-6 if config.position_embedding_type == "rotary" else 1e-10
    model = make(config, dtype=torch.float64)
    ids, structure, mask = draw(config, (160, 31, 3))
    expected, states = masked_lm(model.state_dict(), config, ids, structure, mask)
    output = model(ids, structure, mask, output_hidden_states=True)
    real = mask.bool()
    assert (output.logits - expected)[real].abs().max() < tolerance
    for got, want in zip(output.hidden_states, states, strict=True):
        assert (got - want)[real].abs().max() < tolerance


@pytest.mark.parametrize("blocks", [(1, 128), (2**30, 7), (1, 300)], ids=str)
@torch.no_grad()
def test_memory_limits_do_not_change_the_result(monkeypatch, blocks):
    model = make(dtype=torch.float64)
    ids, structure, mask = draw(SMALL, (150, 40))
    expected = model(ids, structure, mask).logits
    monkeypatch.setattr(attention_module, "SCORE_BYTES", blocks[0])
    monkeypatch.setattr(attention_module, "BLOCK", blocks[1])
    assert (model(ids, structure, mask).logits - expected).abs().max() < 1e-10


@torch.no_grad()
def test_the_path_that_returns_attention_is_the_same():
    model = make(dtype=torch.float64)
    ids, structure, mask = draw(SMALL, (50, 20))
    output = model(ids, structure, mask, output_attentions=True)
    real = mask.bool()
    assert (output.logits - model(ids, structure, mask).logits)[real].abs().max() < 1e-10
    assert (output.attentions[0].sum(-1) - mask[:, None]).abs().max() < 1e-10
    pairs = mask[:, :, None] * mask[:, None]
    assert (model(ids, structure, pairs).logits - output.logits)[real].abs().max() < 1e-10


@torch.no_grad()
def test_padding_between_residues():
    """A mask with holes: positions keep their distances, and what stands in a hole is not seen."""
    model = make(dtype=torch.float64)
    ids, structure, mask = draw(SMALL, (40, 40), masked=False)
    mask[:, 10:15] = 0
    expected, _ = masked_lm(model.state_dict(), SMALL, ids, structure, mask)
    other = torch.where(mask.bool(), ids, 5)
    for tokens in (ids, other):
        assert (model(tokens, structure, mask).logits - expected)[mask.bool()].abs().max() < 1e-10


def test_lengths_at_the_edges_of_blocks():
    """A last block of one row is the case that a view over a product of one row gets wrong."""
    config = ProsstConfig(
        ss_vocab_size=0, pos_att_type=("aa2pos", "pos2aa"), hidden_size=32, num_attention_heads=2,
        num_hidden_layers=1, intermediate_size=32, max_relative_positions=64,
    )  # fmt: skip
    model = ProsstForMaskedLM(config).eval()
    for length in (1, 2, 127, 128, 129, 257):
        ids = torch.randint(3, 23, (2, length), generator=torch.Generator().manual_seed(length))
        with torch.no_grad():
            lean = model(ids).logits
        assert torch.allclose(model(ids).logits, lean, atol=1e-5)  # float32 in another order


@torch.no_grad()
def test_alone_as_in_a_batch():
    """1e-5: the kernels of dense layers round differently for other numbers of rows."""
    model = make()
    tokens = [np.arange(length) % 21 for length in (30, 5, 1, 90)]
    sequences = [(RESIDUES * 5)[: len(t)] for t in tokens]
    together = ProsstEncoder.of(model)(model.prepare(sequences, structure_tokens=tokens))
    rows = together.residue.split(together.residue_offsets.diff().tolist())
    for number, (sequence, own) in enumerate(zip(sequences, tokens, strict=True)):
        alone = ProsstEncoder.of(model)(model.prepare([sequence], structure_tokens=[own]))
        assert (alone.residue - rows[number]).abs().max() < 1e-5
        assert (alone.protein[0] - together.protein[number]).abs().max() < 1e-5


@pytest.mark.parametrize("form", ["corrected", "compat"])
def test_gradients_equal_the_transcription(form):
    """1e-5 relative to the largest entry of each gradient, in float64 far below."""
    config = replaced(structure_to_residue=form)
    model = make(config, dtype=torch.float64)
    ids, structure, mask = draw(config, (150, 31))
    weights = torch.randn(2, 150, 25, dtype=torch.float64) * mask[:, :, None]
    tensors = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    (masked_lm(tensors, config, ids, structure, mask)[0] * weights).sum().backward()
    (model(ids, structure, mask).logits * weights).sum().backward()
    for name, parameter in model.named_parameters():
        if form == "compat" and ".ss_q_proj." in name:
            assert parameter.grad is None and tensors[name].grad is None  # spec B5: it has no part in compat
            continue
        expected = tensors[name].grad
        scale = max(expected.abs().max(), 1e-3)
        assert (parameter.grad - expected).abs().max() < 1e-5 * scale, name
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("lengths", [(14, 9), (150, 31)], ids=["within reach", "beyond reach"])
def test_mixed_precision_has_the_gradient_of_single(lengths):
    """bf16 has 8 bits: rounding turns the gradient by a few degrees. Beyond the reach tables are padded, in float32."""
    model, gradients = make(), []
    ids, structure, mask = draw(SMALL, lengths)
    for mixed in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            logits = model(ids, structure, mask).logits
        (logits.float() * torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_every_parameter_gets_a_gradient():
    config = replaced(profile_head=True)
    model = make(config).train()
    ids, structure, mask = draw(config, (60, 20))
    output = model(ids, structure, mask, labels=ids)
    (output.loss + output.profile_logits.square().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_structure_in_the_residual_stream():
    model = make(replaced(structure_input=True))
    ids, structure, mask = draw(SMALL, (20, 9))
    hidden, states = model.prosst.embeddings(ids, structure, mask.bool())
    without, same = make().prosst.embeddings(ids, structure, mask.bool())
    assert torch.equal(states, same)
    assert torch.equal(hidden, without + states)


def test_dropout_is_the_same_with_and_without_gradients(monkeypatch):
    """Gradient checkpointing runs a layer without gradients and then again with them: it must draw the same."""
    monkeypatch.setattr(attention_module, "SCORE_BYTES", 1)
    model = make(replaced(attention_probs_dropout_prob=0.3), dtype=torch.float64).train()
    ids, structure, mask = draw(SMALL, (40, 9))
    found = []
    for gradients in (False, True):
        torch.manual_seed(3)
        with torch.set_grad_enabled(gradients):
            found.append(model(ids, structure, mask).logits)
    assert (found[0] - found[1])[mask.bool()].abs().max() < 1e-10


def test_dropout_is_on_in_training_only():
    config = replaced(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    model = make(config)
    ids, structure, mask = draw(config, (60, 20))
    assert torch.equal(model(ids, structure, mask).logits, model(ids, structure, mask).logits)
    model.train()
    assert not torch.equal(model(ids, structure, mask).logits, model(ids, structure, mask).logits)


@torch.no_grad()
def test_kept_tables_follow_the_weights():
    """Position tables are kept from a length's second time on; changed weights, length and dtype are noticed."""
    model = make()
    ids, structure, mask = draw(SMALL, (40,))
    kept = model.prosst.encoder.layer[1].attention.self.tables
    before = model(ids, structure, mask).logits
    assert not kept.kept
    assert torch.equal(before, model(ids, structure, mask).logits)
    assert [table.shape[2] for table in kept.kept.values()] == [2 * ids.shape[1]] * 2
    for length in (ids.shape[1], 9):  # a shorter one reads the middle of what is kept
        expected, _ = masked_lm(model.state_dict(), SMALL, ids[:, :length], structure[:, :length])
        assert (model(ids[:, :length], structure[:, :length]).logits - expected).abs().max() < 1e-4
    model.prosst.encoder.layer[0].attention.self.pos_proj.weight.mul_(3)
    expected, _ = masked_lm(model.state_dict(), SMALL, ids, structure, mask)
    assert (model(ids, structure, mask).logits - expected).abs().max() < 1e-4
    other = make(seed=1)
    model.load_state_dict(other.state_dict())
    assert torch.equal(model(ids, structure, mask).logits, other(ids, structure, mask).logits)
    assert model(ids[:, :9], structure[:, :9]).logits.shape == (1, 9, 25)
    assert model.double()(ids, structure, mask).logits.dtype == torch.float64
    with torch.inference_mode():
        assert (model(ids, structure, mask).logits - other(ids, structure, mask).logits).abs().max() < 1e-4


@torch.no_grad()
def test_bfloat16_is_near(oracle):
    """Within 0.1 of logits that span 4: bfloat16 keeps 8 bits, so each of a hundred roundings is up to 0.4 %."""
    model = load_folder(oracle / "prosst" / "lm" / "full_k512")
    ids, structure, mask = draw(model.config, (200, 90))
    expected = model(ids, structure, mask).logits
    got = model.bfloat16()(ids, structure, mask).logits
    assert got.dtype == torch.bfloat16
    difference = (got.float() - expected)[mask.bool()].abs()
    assert difference.max() < 0.1
    assert difference.mean() < 0.01


def test_tokens():
    batch = prepare(SMALL, ["AXB-Y", "M"], structure_tokens=[[0, 19, 20, 1, 2], [20]], masked=[[4], None])
    assert batch.residue.tolist() == [3, UNK, UNK, UNK, MASK, 13]
    assert batch.structure.tolist() == [3, 22, 23, 4, 5, 23]
    ids, structure, mask = batch.pad()
    assert ids.tolist() == [[1, 3, 23, 23, 23, 24, 2], [1, 13, 2, 0, 0, 0, 0]]
    assert structure.tolist() == [[1, 3, 22, 23, 4, 5, 2], [1, 23, 2, 0, 0, 0, 0]]
    assert mask.tolist() == [[1] * 7, [1, 1, 1, 0, 0, 0, 0]]
    assert batch.unpad(ids).tolist() == batch.residue.tolist()
    published = replaced(ss_vocab_size=23, unknown_structure=False)
    assert prepare(published, ["AC"], structure_tokens=[[19, 20]]).structure.tolist() == [22, 0]


def test_tokenizer_of_the_model():
    class Constant:
        size = 20

        def batch(self, proteins):
            return [np.full(len(p), 7) for p in proteins]

    protein = Protein.from_backbone("ACDE", np.zeros((4, 3, 3)))
    model = make()
    model.tokenizer = Constant()
    assert model.prepare([protein]).structure.tolist() == [10] * 4
    expected = model.log_probabilities("ACDE", structure_tokens=[7] * 4)
    assert torch.equal(model.log_probabilities(protein), expected)
    random = make(replaced(tokenizer="random"))
    tokens = random_structure_tokens("ACDE", 20)
    assert random.prepare([protein]).structure.tolist() == (tokens + 3).tolist()
    assert not np.array_equal(tokens, random_structure_tokens("ACDF", 20))


def test_log_probabilities():
    model = make()
    got = model.log_probabilities("ACDEF", structure_tokens=[1, 2, 3, 4, 5], masked=[2])
    ids = torch.tensor([[1, 3, 4, MASK, 6, 7, 2]])
    structure = torch.tensor([[1, 4, 5, 6, 7, 8, 2]])
    expected, _ = masked_lm(model.state_dict(), SMALL, ids, structure)
    expected = expected[0, 1:-1].log_softmax(-1)[:, [ids_of(letter) for letter in RESIDUES[:20]]]
    assert (got - expected).abs().max() < 1e-4
    boolean = model.log_probabilities("ACDEF", structure_tokens=[1, 2, 3, 4, 5], masked=np.arange(5) == 2)
    assert torch.equal(got, boolean)


def ids_of(letter):
    return [
        "<pad>",
        "<cls>",
        "<eos>",
        "A",
        "C",
        "D",
        "E",
        "F",
        "G",
        "H",
        "I",
        "K",
        "L",
        "M",
        "N",
        "P",
        "Q",
        "R",
        "S",
        "T",
        "V",
        "W",
        "Y",
        "<unk>",
        "<mask>",
    ].index(letter)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.prepare(["ACD"], structure_tokens=[[0, 1]]), "2 tokens for 3 residues"),
        (lambda m: m.prepare(["ACD"], structure_tokens=[[0, 1, 21]]), "out of range"),
        (lambda m: m.prepare(["ACD"], structure_tokens=[[0, -1, 2]]), "out of range"),
        (lambda m: m.prepare(["ACD", "A"], structure_tokens=[[0, 1, 2]]), "another number of proteins"),
        (lambda m: m.prepare(["ACD"]), "no structure tokens"),
        (lambda m: m.prepare([]), "no protein"),
        (lambda m: m.prepare(["ACD"], structure_tokens=[[0, 1, 2]], masked=[[3]]), "masked position out of range"),
        (lambda m: m(torch.ones(1, 4, dtype=torch.long)), "structure tokens and got none"),
        (lambda m: m(torch.ones(1, 4, dtype=torch.long), torch.ones(1, 5, dtype=torch.long)), "differ in number"),
    ],
)
def test_wrong_inputs(call, said):
    with pytest.raises(InputError, match=said):
        call(make())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pos_att_type": "aa2pos|pos2a"}, "Did you mean 'pos2aa'"),
        ({"hidden_sise": 3}, "Did you mean 'hidden_size'"),
        ({"hidden_size": "64"}, "hidden_size has the wrong type"),
        ({"num_attention_heads": 5}, "not a multiple"),
        ({"model_type": "esm"}, "not a ProSST model"),
        ({"ss_vocab_size": 0}, "ask for structure"),
        ({"structure_to_residue": "fixed"}, "structure_to_residue"),
        ({"type_vocab_size": 2}, "type_vocab_size"),
    ],
)
def test_wrong_configurations(change, said):
    with pytest.raises(InputError, match=said):
        ProsstConfig.from_dict({**SMALL.to_dict(), **change})


def test_configuration_of_the_published_layout():
    config = ProsstConfig.from_dict({"pos_att_type": "aa2pos|pos2aa", "architectures": ["x"], "id2label": {}})
    assert config.structure_to_residue == "compat"
    assert (config.vocab_size, config.ss_vocab_size, config.table_reach) == (1024, 0, 1024)
    assert not config.relative_attention
    assert ProsstConfig.from_dict(SMALL.to_dict()) == SMALL
    assert ProsstConfig().structure_to_residue == "corrected"


def test_saved_and_loaded(tmp_path):
    config = replaced(profile_head=True, structure_to_residue="compat", position_embedding_type="rotary")
    model = make(config)
    save_folder(model, tmp_path / "model")
    again = load_folder(tmp_path / "model")
    assert again.config == config
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    ids, structure, mask = draw(config, (20, 8))
    assert torch.equal(model(ids, structure, mask).logits, again(ids, structure, mask).logits)


def test_wrong_checkpoints(tmp_path):
    model = make()
    state = model.state_dict()
    words = state["prosst.embeddings.word_embeddings.weight"]
    load_state(model, {**state, "cls.predictions.decoder.weight": words})
    with pytest.raises(InputError, match="not the word embedding"):
        load_state(model, {**state, "cls.predictions.decoder.weight": words + 1})
    with pytest.raises(InputError, match=r"1 unexpected: extra"):
        load_state(model, {**state, "extra": words})
    fewer = {name: tensor for name, tensor in state.items() if "layer.1." not in name}
    with pytest.raises(InputError, match=r"missing: prosst\.encoder\.layer\.1"):
        load_state(model, fewer)
    with pytest.raises(InputError, match="wrong shape"):
        load_state(model, {**state, "prosst.embeddings.word_embeddings.weight": words[:5]})
    with pytest.raises(InputError, match=r"config\.json"):
        load_folder(tmp_path)
    save_folder(model, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_folder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin"):
        load_folder(tmp_path)
