"""Colours and order of the residues in pictures and pages: defined once, so that both show the same."""

import numpy as np

from plait.structure.vocabulary import RESIDUES, UNKNOWN

ROWS = "GAVLIMCPFYWSTNQHKRDE"
"""Residues from top to bottom: small and aliphatic, aromatic, polar, positive, negative."""

ROW_COLUMNS = tuple(RESIDUES[:UNKNOWN].index(letter) for letter in ROWS)
"""Column of the score matrix for each row."""

SCORE_COLOURS = "RdBu"
"""matplotlib's name: red for harmful, white as the wild type, blue for favoured; told apart by the colour-blind."""

SENSITIVITY_COLOURS = "YlOrBr"
"""From pale (tolerant) to dark (sensitive): ordered by lightness, so it is read without hue."""

ABSENT = "#bdbdbd"


def score_limit(scores: np.ndarray) -> float:
    """The score at which the colours end: 98 % of the substitutions lie within plus or minus it."""
    values = np.abs(scores[np.isfinite(scores) & (scores != 0)])
    return float(np.percentile(values, 98)) if len(values) else 1.0


def sensitivity_limits(sensitivity: np.ndarray) -> tuple[float, float]:
    """The sensitivities at which the colours begin and end: the 2nd and 98th percentile."""
    values = sensitivity[np.isfinite(sensitivity)]
    if not len(values):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, (2, 98)))
    return (low, high) if high > low else (low, low + 1.0)


def hexadecimal(name: str, count: int = 33) -> list[str]:
    """Colours of matplotlib's scale of this name at even steps, as "#rrggbb"."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colormaps[name](np.linspace(0, 1, count))]
