"""Outputs of the published GearNet, SiamDiff and GVP programs, and how ours are compared with them."""

import numpy as np
import pytest
import torch
from siamdiff_oracle import SiamDiffOracle


@pytest.fixture(scope="session")
def siamdiff(oracle) -> SiamDiffOracle:
    return SiamDiffOracle(oracle / "siamdiff")


@pytest.fixture(scope="session")
def close_to():
    """A function: got equals expected within `relative` of expected's largest value."""

    def check(got, expected, relative=1e-5, what=""):
        got = got.detach().numpy() if isinstance(got, torch.Tensor) else got
        assert got.shape == expected.shape, what
        difference = np.abs(got - expected).max() / np.abs(expected).max()
        assert difference <= relative, f"{what}: differs by {difference:.1e} of the largest value"

    return check
