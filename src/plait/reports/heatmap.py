"""The heat map as a picture: every substitution of every scored chain, wrapped so that it can be read."""

import warnings
from pathlib import Path

import numpy as np

from plait.reports.scales import (
    ABSENT,
    ROW_COLUMNS,
    ROWS,
    SCORE_COLOURS,
    SENSITIVITY_COLOURS,
    score_limit,
    sensitivity_limits,
)
from plait.structure.vocabulary import UNKNOWN, decode

CELL = 0.115
"""Width and height of a substitution's cell in inches."""

DPI = 150
MOST_PIXELS = 40e6  # of the whole picture: very long proteins are drawn coarser
_BAR = 4.0  # cells that the sensitivity takes above the map
_BLOCK = _BAR + len(ROWS) + 5.5  # and the letters, the numbers and the gap below
_FONT = 6.0  # points of the letters
_DIGIT = 0.5  # cells that a digit takes
_HEAD, _LEFT, _RIGHT = 8.5, 4.5, 3.0


def write_heatmap(result, path: str | Path) -> Path:
    """Draw a `ScoreResult` as PNG: a column a residue, a row an amino acid, sensitivity above, author numbers below."""
    figure = draw_heatmap(result)
    width, height = figure.get_size_inches()
    dpi = min(DPI, (MOST_PIXELS / (width * height)) ** 0.5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a file name in a script without a font
        figure.savefig(path, format="png", dpi=dpi, pil_kwargs={"compress_level": 3})
    return Path(path)


def draw_heatmap(result):
    """The matplotlib Figure of a `ScoreResult`."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    protein = result.protein
    scored = np.isfinite(result.scores).any(axis=1)
    chains = [chain for chain in protein.chains if scored[protein.chain == chain].any()]
    blocks = _blocks(protein, chains)
    columns = max(max(len(block) for _, block, _ in blocks), 60)
    width, height = _LEFT + columns + _RIGHT, _HEAD + sum(_BLOCK + 2.2 * first for _, _, first in blocks)
    figure = Figure(figsize=(width * CELL, height * CELL), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-_LEFT, columns + _RIGHT)
    axes.set_ylim(height, 0)

    palette = colormaps[SCORE_COLOURS].with_extremes(bad=ABSENT)
    limit = score_limit(result.scores)
    low, high = sensitivity_limits(result.sensitivity)
    _head(axes, result, columns, palette, limit, colormaps[SENSITIVITY_COLOURS], (low, high))
    top, letters = _HEAD, []
    for chain, residues, first in blocks:
        if first:
            count = int((protein.chain == chain).sum())
            text = f"Chain {chain or '(blank)'}: {count:,} residues"
            axes.text(0, top + 1.0, text, fontsize=9, weight="bold", va="center", parse_math=False)
            top += 2.2
        _bars(axes, result.sensitivity[residues], top, colormaps[SENSITIVITY_COLOURS], (low, high))
        _map(axes, result, residues, top + _BAR + 0.3, palette, limit, letters)
        _labels(axes, protein, residues, top + _BAR + 0.3, letters)
        top += _BLOCK
    _glyphs(axes, letters)
    return figure


def _blocks(protein, chains) -> list[tuple[str, np.ndarray, bool]]:
    """(chain, residues of one line, whether it is the chain's first line); lines of a chain are equally long."""
    longest = max((int((protein.chain == chain).sum()) for chain in chains), default=1)
    most = 100 if longest <= 600 else 150 if longest <= 1500 else 200
    blocks = []
    for chain in chains:
        residues = np.nonzero(protein.chain == chain)[0]
        lines = -(-len(residues) // most)
        step = -(-len(residues) // lines)
        step = -(-step // 10) * 10
        blocks += [(chain, residues[at : at + step], at == 0) for at in range(0, len(residues), step)]
    return blocks


def _head(axes, result, columns, palette, limit, sensitivity_palette, limits) -> None:
    from plait import __version__

    name = result.protein.source or "structure"
    shown = name if len(name) <= 48 else name[:45] + "..."
    axes.text(0, 1.6, f"Mutation effects: {shown}", fontsize=12, weight="bold", va="center", parse_math=False)
    notes = f"model {result.model.name}, plait {__version__}; columns: author numbering; dot: wild type; grey: no score"
    axes.text(0, 3.5, notes, fontsize=7, va="center", color="#444444", parse_math=False)
    ramp = np.linspace(0, 1, 64)[None]
    length = 18
    for left, colours, ends, title in (
        (0, palette, (f"{-limit:.1f} harmful", f"favoured {limit:+.1f}"), "score (0: as the wild type)"),
        (32, sensitivity_palette, (f"{limits[0]:.1f} tolerant", f"sensitive {limits[1]:.1f}"), "sensitivity (bars)"),
    ):
        start = left + 6.5
        axes.imshow(
            ramp, extent=(start, start + length, 6.2, 5.2), cmap=colours, aspect="auto", interpolation="nearest"
        )
        axes.text(start - 0.5, 5.7, ends[0], fontsize=6.5, ha="right", va="center")
        axes.text(start + length + 0.5, 5.7, ends[1], fontsize=6.5, ha="left", va="center")
        axes.text(start + length / 2, 6.9, title, fontsize=6.5, ha="center", va="center", color="#444444")


def _bars(axes, sensitivity: np.ndarray, top: float, palette, limits) -> None:
    from matplotlib.collections import PolyCollection

    low, high = limits
    height = np.clip((sensitivity - low) / (high - low), 0, 1)
    present = np.nonzero(np.isfinite(height))[0]
    bottom = top + _BAR
    upper = bottom - 0.15 - height[present] * (_BAR - 0.4)
    corners = np.empty((len(present), 4, 2))
    corners[:, (0, 3), 0] = present[:, None] + 0.08
    corners[:, (1, 2), 0] = present[:, None] + 0.92
    corners[:, :2, 1] = bottom
    corners[:, 2:, 1] = upper[:, None]
    faces = palette(0.15 + 0.85 * height[present])  # the palest would not show on white
    axes.add_collection(PolyCollection(corners, facecolors=faces, linewidths=0), autolim=False)


def _map(axes, result, residues: np.ndarray, top: float, palette, limit: float, letters: list) -> None:
    scores = result.scores[residues][:, ROW_COLUMNS].T
    axes.imshow(
        np.ma.masked_invalid(scores),
        extent=(0, len(residues), top + len(ROWS), top),
        cmap=palette,
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
    )
    types = result.protein.residue_type[residues]
    row_of = np.full(UNKNOWN + 1, -1)
    row_of[list(ROW_COLUMNS)] = np.arange(len(ROWS))
    known = types < UNKNOWN
    at = np.nonzero(known & np.isfinite(scores).any(axis=0))[0]
    axes.scatter(at + 0.5, top + row_of[types[at]] + 0.5, s=5, c="black", linewidths=0)
    rows = top + np.arange(len(ROWS)) + 0.5
    for x in (-0.6, len(residues) + 0.6):
        letters += zip([x] * len(ROWS), rows, ROWS)


def _labels(axes, protein, residues: np.ndarray, top: float, letters: list) -> None:
    """Wild-type letters under the columns, and author numbers at tens, at the start and after jumps."""
    bottom = top + len(ROWS)
    letters += [(at + 0.5, bottom + 0.7, one) for at, one in enumerate(decode(protein.residue_type[residues]))]
    numbers = protein.author_number[residues]
    jumps, ticks = [], []
    last = -10.0
    for column, index in enumerate(residues.tolist()):
        jump = column == 0 or numbers[column] - numbers[column - 1] not in (0, 1)
        if jump and column:
            jumps.append(column)
        if not jump and (numbers[column] % 10 or protein.insertion_code[index]):
            continue
        label = protein.residue_label(index)
        width = _DIGIT * len(label)
        if column + 0.5 - last < width + 0.5:
            continue
        last = column + 0.5
        ticks.append(last)
        start = last - width / 2 + _DIGIT / 2
        letters += [(start + _DIGIT * at, bottom + 2.4, one) for at, one in enumerate(label)]
    axes.vlines(jumps, top, bottom, colors="black", linewidths=0.6)
    axes.vlines(ticks, bottom + 1.3, bottom + 1.7, colors="#666666", linewidths=0.5)


def _glyphs(axes, letters: list[tuple[float, float, str]]) -> None:
    """Characters centred at (x, y): one shape drawn at many places, since thousands of texts would take seconds."""
    from matplotlib.collections import PathCollection
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    places: dict[str, list] = {}
    for x, y, character in letters:
        places.setdefault(character, []).append((x, y))
    scale = Affine2D().scale(1 / 72) + axes.figure.dpi_scale_trans
    for character, offsets in places.items():
        glyph = TextPath((0, 0), character, size=_FONT)
        box = glyph.get_extents()
        centred = glyph.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -_FONT * 0.36))
        shapes = PathCollection(
            [centred], offsets=offsets, offset_transform=axes.transData, facecolors="#222222", linewidths=0, snap=False
        )
        shapes.set_transform(scale)
        axes.add_collection(shapes, autolim=False)
