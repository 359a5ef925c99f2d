"""How many homologs of a chain have which residue where: the weighted counts of an alignment."""

import dataclasses

import numpy as np

from plait.data.alignment_files import GAP, Alignment
from plait.data.alignment_mapping import Mapping, map_chain
from plait.structure.vocabulary import UNKNOWN

IDENTITY = 0.62
"""Sequences count as copies of each other from this identity on. It is that of the corpus and of BLOSUM62, and the unit
in which the weight of a model's prediction beside an alignment was measured (docs/results/alignment.md)."""

FILLED = 0.3
"""Share of the chain's columns that a sequence must fill."""

_CODES = GAP + 1
_BLOCK, _WIDE = 64, 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Homologs:
    """Homologs of a chain.

    Attributes
    ----------
    count : float32 [R, 20]
        Weighted number of sequences that have each residue; zero where the residue has no column.
    mapping : Mapping
    name : str
        The sequence that was taken for the chain's.
    sequences, used : int
        How many the alignment has, and how many of them fill enough of the chain's columns (`FILLED`).
    effective : float
        Sum of the weights of those used.
    """

    count: np.ndarray
    mapping: Mapping
    name: str
    sequences: int
    used: int
    effective: float

    @property
    def depth(self) -> np.ndarray:
        """Number of effective sequences at each residue: float32 [R]."""
        return self.count.sum(axis=1)

    @property
    def covered(self) -> np.ndarray:
        """Whether a residue has a column: bool [R]."""
        return self.mapping.column >= 0


def homologs_of(alignment: Alignment, residue_type: np.ndarray, number: np.ndarray | None = None) -> Homologs:
    """The homologs of a chain with residues `residue_type` [R] and author's numbers `number` [R] in an alignment.

    Sequences that fill less than `FILLED` of the chain's columns are left out, the chain's own never. Each of the
    others weighs one over the number of sequences that share `IDENTITY` of its residues. Gaps and unknown residues
    count for nothing, so that a residue's depth is the number of sequences that have a residue there.

    Raises
    ------
    InputError
        If no sequence of the alignment matches the chain; see `map_chain`.
    """
    mapping = map_chain(alignment, residue_type, number)
    covered = np.flatnonzero(mapping.column >= 0)
    columns = alignment.columns[:, mapping.column[covered]]
    full = (columns < GAP).mean(axis=1) >= FILLED
    full[mapping.row] = True
    kept, copies = np.unique(columns[full], axis=0, return_counts=True)
    weights = copies / neighbours(kept, copies)
    count = np.zeros((len(mapping.column), UNKNOWN), np.float32)
    count[covered] = _counted(kept, weights)
    return Homologs(
        count=count,
        mapping=mapping,
        name=alignment.names[mapping.row],
        sequences=len(alignment),
        used=int(full.sum()),
        effective=float(weights.sum()),
    )


def neighbours(rows: np.ndarray, copies: np.ndarray, identity: float = IDENTITY) -> np.ndarray:
    """How many sequences share at least `identity` of each one's own residues, itself among them: float64 [S].

    Every pair is compared, a column at a time over blocks of pairs that stay in the processor's cache: 30 s of one
    core for 50,000 different sequences of 300 columns, in a few times the memory of the alignment.

    Parameters
    ----------
    rows : uint8 [S, C]
        Residue types; from `vocabulary.UNKNOWN` on, nothing that could be shared.
    copies : int [S]
        How many sequences each row stands for.
    """
    known = rows < UNKNOWN
    least = np.ceil(identity * known.sum(axis=1) - 1e-9).astype(np.int32)
    left = np.ascontiguousarray(np.where(known, rows, UNKNOWN).T)
    right = np.ascontiguousarray(np.where(known, rows, UNKNOWN + 1).T)
    copies = copies.astype(np.float64)
    found = copies.copy()
    number = np.arange(len(rows))
    for start in range(0, len(rows), _BLOCK):
        one = slice(start, start + _BLOCK)
        for begin in range(start, len(rows), _WIDE):
            two = slice(begin, begin + _WIDE)
            same = _shared(left[:, one], right[:, two])
            later = number[one, None] < number[None, two]
            found[one] += ((same >= least[one, None]) & later) @ copies[two]
            found[two] += copies[one] @ ((same >= least[None, two]) & later)
    return found


def _counted(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of the weights of the rows [S, C] that have each residue: float64 [C, 20]."""
    width = rows.shape[1]
    total = np.zeros(width * _CODES)
    for start in range(0, len(rows), _WIDE):
        cell = rows[start : start + _WIDE] + _CODES * np.arange(width)
        total += np.bincount(cell.ravel(), np.repeat(weights[start : start + _WIDE], width), len(total))
    return total.reshape(width, _CODES)[:, :UNKNOWN]


def _shared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number of columns in which each pair agrees: int32 [a, b] of [C, a] and [C, b]."""
    shape = left.shape[1], right.shape[1]
    total, equal = np.zeros(shape, np.int32), np.empty(shape, bool)
    for start in range(0, len(left), 255):  # as many as a byte can count
        part = np.zeros(shape, np.uint8)
        for column in range(start, min(start + 255, len(left))):
            np.equal(left[column, :, None], right[column], out=equal)
            part += equal.view(np.uint8)
        total += part
    return total
