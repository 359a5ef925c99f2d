"""Two layers that read one number, against the two products that they are."""

import pytest
import torch

from plait.objectives.scalar_networks import two_layers


@pytest.mark.parametrize("numbers", [0, 3, 500])
def test_two_layers_against_products(numbers):
    """Values and gradients; few numbers are not worth a table. Units that never set in, or always are, too."""
    generator = torch.Generator().manual_seed(numbers)
    shapes = ((16, 1), (16,), (5, 16), (5,))
    weights = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    weights[0][:2], weights[1][0] = 0, -1
    x = 6 * torch.rand(numbers, generator=generator, dtype=torch.float64)
    weights = [weight.requires_grad_() for weight in weights]
    expected = torch.relu(x[:, None] * weights[0][:, 0] + weights[1]) @ weights[2].T + weights[3]
    got = two_layers(x, *weights)
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)
    asked = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    gradients = (torch.autograd.grad((one * asked).sum(), weights) for one in (got, expected))
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-10) for a, b in zip(*gradients, strict=True))


def test_distances_keep_their_precision_in_autocast():
    x, weight = torch.linspace(4, 8, 1000), torch.ones(1, 4)
    with torch.autocast("cpu", torch.bfloat16):
        got = two_layers(x, torch.ones(4, 1), torch.zeros(4), weight, torch.zeros(1))
    assert got.dtype == torch.float32 and torch.allclose(got[:, 0], 4 * x)
