"""Which sequence of an alignment is that of a chain, and which column belongs to which residue."""

import dataclasses

import numpy as np

from plait.data.alignment_files import Alignment
from plait.errors import InputError
from plait.structure.vocabulary import RESIDUES, UNKNOWN, decode

LEAST_IDENTITY = 0.8
"""Share of the paired residues that must be the same."""

LEAST_SHARE = 0.5
"""Share of the shorter of chain and sequence that must be paired."""

LEAST_SAME = 10
"""Residues that must be the same; shorter chains take no alignment, as anything would match them."""

_CANDIDATES = 3
_ROWS = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Mapping:
    """A chain's residues in an alignment.

    Attributes
    ----------
    row : int
        The sequence that was taken for the chain's.
    column : int64 [R]
        Column of each residue, -1 where there is none.
    identity : float
        Share of the paired residues that are the same.
    differences : tuple of (int, str)
        Residues that differ, each with its letter in the alignment.
    """

    row: int
    column: np.ndarray
    identity: float
    differences: tuple[tuple[int, str], ...]


def map_chain(alignment: Alignment, residue_type: np.ndarray, number: np.ndarray | None = None) -> Mapping:
    """The place of a chain in an alignment.

    The alignment's first sequence is tried; if it does not fit, the three that share most words of three residues
    with the chain, of which the one with most equal residues is taken. Chain and sequence are aligned pairwise
    (BLOSUM62, gaps 11 + 1 a residue, free at the ends), so residues may be missing on either side.

    Parameters
    ----------
    residue_type : int [R]
    number : int [R], optional
        Author's residue numbers: where equal letters leave open at which residue a gap lies, it is put where the
        numbers jump.

    Raises
    ------
    InputError
        If no sequence has `LEAST_IDENTITY` over `LEAST_SHARE` of the shorter one, and `LEAST_SAME` equal residues.
    """
    residue_type = np.asarray(residue_type)
    first = _Pairing(alignment, 0, residue_type, number)
    if first.fits:
        return first.mapping()
    others = [_Pairing(alignment, row, residue_type, number) for row in _alike(alignment, residue_type) if row]
    fitting = [one for one in others if one.fits]
    if fitting:
        return max(fitting, key=lambda one: (one.same, -one.row)).mapping()
    best = max([first, *others], key=lambda one: one.same)
    raise InputError(
        "no sequence of the alignment matches the chain",
        file=alignment.file,
        got=f"at best {alignment.names[best.row]!r} with {best.same} of {best.paired} paired residues the same",
        expected=f"{LEAST_IDENTITY:.0%} the same, {LEAST_SHARE:.0%} of the shorter one paired and at least "
        f"{LEAST_SAME} residues",
        do="Is it the alignment of this protein? Its own sequence should stand first.",
    )


class _Pairing:
    """A chain aligned with one sequence."""

    def __init__(self, alignment: Alignment, row: int, residue_type: np.ndarray, number: np.ndarray | None):
        self.row = row
        self.types, self.columns = alignment.residues(row)
        self.residue, self.other = _pairs(residue_type, self.types)
        if number is not None:
            _slide_gaps(self.residue, self.other, self.types, number)
        known = (residue_type[self.residue] < UNKNOWN) & (self.types[self.other] < UNKNOWN)
        equal = residue_type[self.residue] == self.types[self.other]
        self.paired, self.same = int(known.sum()), int((known & equal).sum())
        self.different = np.flatnonzero(known & ~equal)
        self.chain_length = len(residue_type)
        shorter = min(int((residue_type < UNKNOWN).sum()), int((self.types < UNKNOWN).sum()))
        self.fits = self.same >= max(LEAST_SAME, LEAST_IDENTITY * self.paired) and self.paired >= LEAST_SHARE * shorter

    def mapping(self) -> Mapping:
        column = np.full(self.chain_length, -1, np.int64)
        column[self.residue] = self.columns[self.other]
        letters = tuple((int(self.residue[i]), RESIDUES[self.types[self.other[i]]]) for i in self.different)
        return Mapping(self.row, column, self.same / self.paired, letters)


def _pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the residues that a pairwise alignment of two sequences puts beside each other."""
    one, two = decode(first), decode(second)
    at = two.find(one)
    if at >= 0:
        return np.arange(len(one)), np.arange(at, at + len(one))
    from biotite.sequence import ProteinSequence
    from biotite.sequence.align import SubstitutionMatrix, align_optimal

    trace = align_optimal(
        ProteinSequence(one),
        ProteinSequence(two),
        SubstitutionMatrix.std_protein_matrix(),
        gap_penalty=(-12, -1),
        terminal_penalty=False,
        max_number=1,
    )[0].trace
    trace = trace[(trace >= 0).all(axis=1)]
    return trace[:, 0], trace[:, 1]


def _slide_gaps(residue: np.ndarray, other: np.ndarray, types: np.ndarray, number: np.ndarray) -> None:
    """Move, in place, what the chain lacks of the other sequence `types` to where its numbers jump, as far as the
    letters beside its residues stay the same."""
    jumps = np.flatnonzero(np.diff(number[residue]) > 1)
    for at in np.flatnonzero((np.diff(residue) == 1) & (np.diff(other) > 1)):
        for to in jumps[np.argsort(abs(jumps - at), kind="stable")]:
            if to == at:
                break
            low, high = min(at, to), max(at, to)
            steps = np.diff(other[low : high + 2])
            steps[at - low] = 1
            if (steps != 1).any() or (np.diff(residue[low : high + 2]) != 1).any():
                continue
            if to > at:
                moved = other[at] + np.arange(1, to - at + 1)
            else:
                moved = other[at + 1] - np.arange(at - to, 0, -1)
            if np.array_equal(types[moved], types[other[low + 1 : high + 1]]):
                other[low + 1 : high + 1] = moved
                break


def _alike(alignment: Alignment, residue_type: np.ndarray) -> list[int]:
    """Rows that share most words of three neighbouring residues with the chain, the best first."""
    of_chain = np.zeros(UNKNOWN**3, bool)
    of_chain[_words(residue_type[None])[_is_word(residue_type[None])]] = True
    shared = np.zeros(len(alignment), np.int64)
    for start in range(0, len(alignment), _ROWS):
        part = alignment.columns[start : start + _ROWS]
        shared[start : start + _ROWS] = (of_chain[_words(part)] & _is_word(part)).sum(axis=1)
    return np.argsort(-shared, kind="stable")[:_CANDIDATES].tolist()


def _words(types: np.ndarray) -> np.ndarray:
    """Number of the word that begins at each place: int [S, C - 2]; 0 where it is none."""
    types = np.where(types < UNKNOWN, types, 0).astype(np.int16)
    return types[:, :-2] * np.int16(UNKNOWN**2) + types[:, 1:-1] * np.int16(UNKNOWN) + types[:, 2:]


def _is_word(types: np.ndarray) -> np.ndarray:
    known = types < UNKNOWN
    return known[:, :-2] & known[:, 1:-1] & known[:, 2:]
