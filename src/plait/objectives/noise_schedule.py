"""How much noise each step of a diffusion has (specs/siamdiff.md, section 6)."""

import numpy as np


def alphas(begin: float, end: float, steps: int) -> np.ndarray:
    """What is left of the signal at each step: float64 [steps], descending.

    The rate of noise goes from `begin` to `end` along a sigmoid.
    """
    place = -6 + 12 * np.arange(steps) / max(1, steps - 1)
    rate = begin + (end - begin) / (1 + np.exp(-place))
    return np.cumprod(1 - rate)


def noise_scales(alpha: np.ndarray) -> np.ndarray:
    """Standard deviation of the noise on each coordinate, angstrom."""
    return np.sqrt((1 - alpha) / alpha)
