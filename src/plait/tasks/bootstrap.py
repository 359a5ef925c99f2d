"""The bootstrap that all tables of results share: units (proteins, clusters) are drawn with replacement, each with
all that was measured of it."""

import numpy as np


def draws(units: int, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """How often each unit is drawn in each resample: float64 [resamples, units]."""
    return generator.multinomial(units, np.full(units, 1 / units), size=resamples).astype(np.float64)


def ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """`total / count`; NaN where nothing is counted."""
    total, count = np.broadcast_arrays(np.asarray(total, np.float64), np.asarray(count, np.float64))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def bootstrapped_ratio(
    total: np.ndarray, count: np.ndarray, generator: np.random.Generator, resamples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of `total` over sum of `count` [units, ...]: its value [...], and its values [resamples, ...] when units are
    drawn with replacement."""
    drawn = draws(len(total), generator, resamples)
    return ratio(total.sum(0), count.sum(0)), ratio(drawn @ total, drawn @ count)
