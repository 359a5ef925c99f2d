"""What every registered encoder promises (architecture, rule 2)."""

import pytest
import torch

from plait import registry
from plait.encoders.base import EncoderWithHeads

ENCODERS = registry.parts("encoder")
pytestmark = pytest.mark.parametrize("name", ENCODERS)


def make(name, dtype=torch.float32):
    torch.manual_seed(0)
    cls = ENCODERS[name]
    return cls(cls.Config()).to(dtype).eval()


def encode(encoder, proteins):
    with torch.no_grad():
        return encoder(encoder.prepare(proteins))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_turning_and_moving_changes_nothing(name, dtype, tolerance, whole, two_chains, moved):
    encoder = make(name, dtype)
    for protein in (whole, two_chains):
        before, after = encode(encoder, [protein]), encode(encoder, [moved(protein)])
        for level in ("residue", "protein"):
            difference = (getattr(before, level) - getattr(after, level)).abs().max()
            assert difference <= tolerance, level


def test_the_same_alone_or_in_a_batch(name, whole, gapped, one_residue):
    encoder = make(name)
    proteins = [whole, gapped, one_residue]
    batch = encode(encoder, proteins)
    for number, protein in enumerate(proteins):
        alone = encode(encoder, [protein])
        rows = slice(*batch.residue_offsets[number : number + 2].tolist())
        # float32, other block sizes in matrix products: rounding only
        assert torch.allclose(batch.residue[rows], alone.residue, atol=2e-5)
        assert torch.allclose(batch.protein[number], alone.protein[0], atol=2e-5)


def test_finite_with_missing_atoms(name, one_residue, backbone_only, c_alpha_only, gapped):
    encoder = make(name).train()
    for protein in (one_residue, backbone_only, c_alpha_only, gapped):
        encoder.zero_grad()
        representation = encoder(encoder.prepare([protein]))
        assert representation.residue.shape[0] == len(protein)
        assert torch.isfinite(representation.residue).all()
        representation.residue.square().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_every_parameter_gets_a_gradient(name, whole, gapped, two_chains):
    encoder = make(name)
    representation = encoder(encoder.prepare([whole, gapped, two_chains]))
    torch.manual_seed(1)
    (representation.residue * torch.randn_like(representation.residue)).sum().backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    exempt = ENCODERS[name].exempt.get("gradients")
    assert bool(without) == bool(exempt), f"without gradient: {without}; exempt: {exempt}"


def test_exact_after_save_and_load(name, whole, tmp_path):
    from safetensors.torch import load_file, save_file

    encoder = make(name)
    before = encode(encoder, [whole])
    save_file({n: t.contiguous() for n, t in encoder.state_dict().items()}, tmp_path / "encoder.safetensors")
    torch.manual_seed(99)
    other = ENCODERS[name](encoder.config).eval()
    other.load_state_dict(load_file(tmp_path / "encoder.safetensors"))
    for n, buffer in encoder.named_buffers():
        assert torch.equal(buffer, dict(other.named_buffers())[n]), n
    assert torch.equal(encode(other, [whole]).residue, before.residue)


def test_half_precision_stays_near(name, whole):
    """bf16 has 8 bits: through a few layers of normalised states, 0.1 of their spread is rounding."""
    expected = encode(make(name), [whole]).residue
    got = encode(make(name, torch.bfloat16), [whole]).residue.float()
    assert (got - expected).abs().mean() < 0.1 * expected.std()


def test_mixed_precision_has_the_gradient_of_single(name, whole, one_residue):
    """bf16 has 8 bits: rounding turns the gradient by a few degrees through a few layers, an error by far more."""
    gradients = []
    for mixed in (False, True):
        encoder = make(name)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            residue = encoder(encoder.prepare([whole, one_residue])).residue
        torch.manual_seed(1)
        (residue.float() * torch.randn(residue.shape)).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.97


@pytest.mark.parametrize("layers", [1, 3])
def test_heads_of_proteins_answer_once_for_each(name, layers, whole, one_residue):
    """Affine in the protein's vector with one layer, and not the residues' mean of a head on residues by accident."""
    network = EncoderWithHeads(make(name), {"residue_type": 20, "protein_kind": 5}, protein_layers=layers)
    with torch.no_grad():
        found = network.eval()(network.encoder.prepare([whole, one_residue]))
        vectors = encode(network.encoder, [whole, one_residue]).protein
    assert found["residue_type"].shape == (77, 20)
    assert found["protein_kind"].shape == (2, 5)
    weights = [tensor for n, tensor in network.readout.named_parameters() if "protein_kind" in n]
    expected = vectors
    for weight, bias in zip(weights[::2], weights[1::2]):
        expected = expected @ weight.T + bias
        expected = expected.relu() if weight.shape[0] != 5 else expected
    assert len(weights) == 2 * layers
    assert torch.allclose(found["protein_kind"], expected.detach(), atol=1e-4)
