"""Averages of a metric over assays, with bootstrap standard errors over proteins.

Several assays of one protein are not independent, and some kinds of selection have many more assays than others. So
there are two averages: the plain mean over assays, and ProteinGym's, the mean over assays of a protein and selection
type, then over the proteins of a type, then over types (Notin et al. 2023, section 4.3).
"""

import dataclasses

import numpy as np

from plait.tasks.bootstrap import bootstrapped_ratio, ratio

MEAN, AGGREGATED = "mean", "aggregated"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which assay belongs to which protein and selection type: text [N] each."""

    protein: np.ndarray
    selection: np.ndarray


def averages(values, layout: Layout, *, compared_with: str, seed: int = 0, resamples: int = 10_000):
    """Averages of each model, and of its difference to one of them.

    Parameters
    ----------
    values : pandas.DataFrame [N assays, M models]
        NaN where a model has no value: averages are over the assays that it has.
    layout : Layout
        Of the rows.
    compared_with : str
        The model to which differences are taken, over the assays that both have.
    seed, resamples : int
        Of the bootstrap. For the plain mean, proteins are drawn with replacement, each with all its assays; for a
        selection type, and for the aggregate within each of its types, the proteins of that type. A type with one
        protein has no error of its own, and adds none to that of the aggregate.

    Returns
    -------
    pandas.DataFrame
        Columns `model`, `average` ("mean", "aggregated" or a selection type), `value`, `standard_error`, `assays`,
        `difference`, `difference_standard_error`; the same draws serve all models.
    """
    import pandas

    matrix = values.to_numpy(np.float64)
    paired = matrix - values[[compared_with]].to_numpy(np.float64)
    present = np.isfinite(matrix)
    tables = []
    found = _averages(matrix, layout, seed, resamples)
    differences = _averages(paired, layout, seed, resamples)
    for average, (value, error) in found.items():
        rows = np.ones(len(matrix), bool) if average in (MEAN, AGGREGATED) else layout.selection == average
        difference, difference_error = differences[average]
        tables.append(
            pandas.DataFrame(
                {
                    "model": list(values.columns),
                    "average": average,
                    "value": value,
                    "standard_error": error,
                    "assays": present[rows].sum(0),
                    "difference": difference,
                    "difference_standard_error": difference_error,
                }
            )
        )
    return pandas.concat(tables, ignore_index=True)


def _averages(matrix: np.ndarray, layout: Layout, seed: int, resamples: int) -> dict[str, tuple]:
    """Value [M] and standard error [M] of each average."""
    generator = np.random.default_rng(seed)
    total, count = _per_protein(matrix, layout.protein)
    value, draws = bootstrapped_ratio(total, count, generator, resamples)
    found = {MEAN: (value, _spread(draws, (count > 0).sum(0) > 1))}
    types, varies = {}, {}
    for selection in np.unique(layout.selection):
        here = layout.selection == selection
        total, count = _per_protein(matrix[here], layout.protein[here])
        seen = np.minimum(count, 1)  # a protein counts once, with the mean of its assays
        types[selection] = bootstrapped_ratio(total / np.maximum(count, 1), seen, generator, resamples)
        varies[selection] = seen.sum(0) > 1
    value, draws = (_mean_over_types(np.stack(parts)) for parts in zip(*types.values()))
    found[AGGREGATED] = value, _spread(draws, np.any(list(varies.values()), axis=0))
    return found | {name: (value, _spread(draws, varies[name])) for name, (value, draws) in types.items()}


def _per_protein(matrix: np.ndarray, protein: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number [P, M] of the values of each protein."""
    _, group = np.unique(protein, return_inverse=True)
    total = np.zeros((group.max() + 1, matrix.shape[1]))
    count = np.zeros_like(total)
    np.add.at(total, group, np.nan_to_num(matrix))
    np.add.at(count, group, np.isfinite(matrix))
    return total, count


def _mean_over_types(parts: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is there; NaN where nothing is."""
    return ratio(np.nan_to_num(parts).sum(0), np.isfinite(parts).sum(0))


def _spread(draws: np.ndarray, varies: np.ndarray) -> np.ndarray:
    """Standard deviation [M] over resamples [B, M] of what is there; NaN for models that do not vary."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # a model without any value
        return np.where(varies, np.nanstd(draws, axis=0, ddof=1), np.nan)
