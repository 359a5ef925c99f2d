"""Which residues are hidden: runs of them, or single ones."""

import numpy as np


def draw_spans(segments: np.ndarray, rate: float, mean: float, generator: np.random.Generator) -> np.ndarray:
    """Runs of hidden residues: bool [R], with exactly round(rate R) of them true.

    Parameters
    ----------
    segments : int [R]
        Number of the chain of each residue, in blocks; a run ends where its chain does.
    rate : float
        Share of the residues.
    mean : float
        Mean length of a run before runs meet (one more than a Poisson variable of mean - 1).
    """
    count = len(segments)
    hidden, budget = np.zeros(count, bool), min(count, round(rate * count))
    starts = np.flatnonzero(np.diff(segments, prepend=segments[:1] - 1)) if count else np.zeros(0, int)
    ends = np.append(starts[1:], count)
    while (left := budget - int(hidden.sum())) > 0:
        length = 1 + int(generator.poisson(max(0.0, mean - 1)))
        # a run may begin before its chain and end after it: so the ends are hidden as often as the middle
        places = np.cumsum(ends - starts + length - 1)
        drawn = int(generator.integers(places[-1]))
        chain = int(np.searchsorted(places, drawn, side="right"))
        first = int(ends[chain]) - int(places[chain] - drawn)
        run = np.arange(max(first, starts[chain]), min(first + length, ends[chain]))
        run = run[~hidden[run]]
        hidden[run[:left] if generator.integers(2) else run[-left:]] = True
    return hidden


def draw_singles(count: int, rate: float, generator: np.random.Generator) -> np.ndarray:
    """Hidden residues drawn one by one without replacement: bool [R], with exactly round(rate R) true."""
    hidden = np.zeros(count, bool)
    hidden[generator.permutation(count)[: min(count, round(rate * count))]] = True
    return hidden


def published_spans(count: int, draws) -> np.ndarray:
    """Hidden residues as published: bool [R].

    The budget int(0.3 R) counts overlaps twice, so that fewer are hidden; the last residue never is; runs may be
    empty (specs/vabsnet.md, 5.1).

    Parameters
    ----------
    draws : iterator of (length, function)
        A Poisson variable of mean 6, and what gives the start of a run, an integer below its argument: so that recorded
        draws can be put in the generator's place. See `generated`.
    """
    hidden, budget, counted = np.zeros(count, bool), int(0.3 * count), 0
    while counted < budget:
        length, start_below = next(draws)
        length = min(length, budget - counted)
        start = start_below(count - length)
        hidden[start : start + length] = True
        counted += length
    return hidden


def generated(generator: np.random.Generator):
    """The draws of `published_spans` from a generator."""
    while True:
        yield int(generator.poisson(6)), lambda below: int(generator.integers(below))


def recorded(spans):
    """The draws of `published_spans` from recorded pairs of Poisson variable and start."""
    for length, start in spans:
        yield int(length), lambda below, start=start: int(start)
