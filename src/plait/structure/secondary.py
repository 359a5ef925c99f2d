"""Secondary structure in eight states, from hydrogen-bond energies (Kabsch & Sander 1983).

Kabsch W, Sander C (1983). Dictionary of protein secondary structure. Biopolymers 22:2577-2637.
doi:10.1002/bip.360221211
"""

import numpy as np

from plait.structure.protein import Protein

STATES = "HBEGITSC"
"""Letters of the states, in the order of their numbers: alpha helix, isolated bridge, extended strand in a ladder,
3-10 helix, pi helix, hydrogen-bonded turn, bend, none of these (a blank in DSSP's own files)."""

H, B, E, G, I, T, S, C = range(8)

COUPLING = 332 * 0.42 * 0.20
"""Kilocalories per mole times angstrom: partial charges 0.42 e (C=O) and 0.20 e (N-H)."""

BOND_ENERGY = -0.5
"""Kilocalories per mole below which a hydrogen bond is counted."""

LOWEST_ENERGY = -9.9
CLOSEST = 0.5
PEPTIDE_BOND = 2.5
C_ALPHA_REACH = 9.0
BEND_ANGLE = 70.0


def secondary_structure(protein: Protein, *, prefer_pi: bool = True, between_chains: bool = True) -> np.ndarray:
    """State of each residue: int8 [R], index into `STATES`, -1 where N, CA or C is missing.

    Parameters
    ----------
    prefer_pi : bool
        True: a pi helix (I) takes precedence over an alpha helix (H), as in the DSSP program since version 2.1;
        False: the precedence of the 1983 paper, H > B > E > G > I > T > S.
    between_chains : bool
        Whether bridges between chains count (as in DSSP), or each chain is seen alone.

    Notes
    -----
    A missing O is placed in the plane of the peptide where the next residue is bonded, otherwise that residue accepts
    no bond. A residue without N, CA and C breaks the chain. As in the DSSP program, the two strongest bonds of a donor
    count, proline and residues after a break donate none, and C-N up to 2.5 angstrom is a peptide bond.
    """
    states = np.full(len(protein), -1, np.int8)
    n, ca, c, o, seen = _backbone(protein)
    if len(seen) == 0:
        return states
    chain = protein.chain[seen]
    linked = np.zeros(len(seen), bool)  # residue k is bonded to residue k + 1
    linked[:-1] = (
        (np.diff(seen) == 1) & (chain[1:] == chain[:-1]) & (np.linalg.norm(n[1:] - c[:-1], axis=1) <= PEPTIDE_BOND)
    )
    proline = protein.residue_type[seen] == _PROLINE
    bonds = hydrogen_bonds(n, ca, c, o, linked, proline, chain=None if between_chains else chain)
    states[seen] = _assign(ca, linked, bonds, prefer_pi)
    return states


def letters(states: np.ndarray, missing: str = "X") -> str:
    """The states as one string of `STATES`; `missing` stands for -1."""
    table = np.array([*STATES, missing])
    return "".join(table[np.asarray(states)])


def hydrogen_bonds(n, ca, c, o, linked, proline, chain=None) -> np.ndarray:
    """Backbone hydrogen bonds: int64 [bonds, 2], donor (N-H) and acceptor (C=O), sorted.

    Parameters
    ----------
    n, ca, c, o : float64 [R, 3], angstrom
        All finite but `o`: a residue without accepts no bond.
    linked : bool [R]
        Residue k is bonded to residue k + 1.
    proline : bool [R]
        Residues without amide hydrogen.
    chain : [R], optional
        Bonds between different values are left out.
    """
    from scipy.spatial import cKDTree

    donates = ~proline
    donates[0] = False
    donates[1:] &= linked[:-1]
    hydrogen = n.copy()  # (R, 3); 1 angstrom from N, against the C=O before it
    hydrogen[1:] += (c - o)[:-1] / np.linalg.norm(c - o, axis=1)[:-1, None]

    pairs = cKDTree(ca).query_pairs(C_ALPHA_REACH, output_type="ndarray").astype(np.int64)
    donor, acceptor = np.concatenate([pairs, pairs[:, ::-1]]).T
    keep = donates[donor] & np.isfinite(o[acceptor, 0]) & (donor != acceptor + 1)
    if chain is not None:
        keep &= chain[donor] == chain[acceptor]
    donor, acceptor = donor[keep], acceptor[keep]

    distances = np.stack(
        [
            np.linalg.norm(first[donor] - second[acceptor], axis=1)
            for first, second in ((n, o), (hydrogen, c), (hydrogen, o), (n, c))
        ]
    )  # (4, candidates)
    clash = (distances < CLOSEST).any(axis=0)
    inverse = 1 / np.maximum(distances, CLOSEST)
    energy = COUPLING * (inverse[0] + inverse[1] - inverse[2] - inverse[3])
    energy = np.maximum(np.where(clash, LOWEST_ENERGY, energy), LOWEST_ENERGY)

    bonded = energy < BOND_ENERGY
    donor, acceptor, energy = donor[bonded], acceptor[bonded], energy[bonded]
    order = np.lexsort((acceptor, energy, donor))
    donor, acceptor = donor[order], acceptor[order]
    third = np.zeros(len(donor), bool)  # a donor's third bond or a later one
    third[2:] = donor[2:] == donor[:-2]
    bonds = np.stack([donor, acceptor], axis=1)[~third]
    return bonds[np.lexsort((bonds[:, 1], bonds[:, 0]))]


_PROLINE = 12


def _backbone(protein: Protein):
    """N, CA, C, O float64 [K, 3] of the residues with N, CA and C, and their indices int64 [K]."""
    n, ca, c, o = protein.backbone.astype(np.float64).transpose(1, 0, 2)
    # Where only O is missing it lies opposite to CA and the next N, in the plane of the three.
    ahead = np.full_like(n, np.nan)
    ahead[:-1] = np.where((protein.chain[1:] == protein.chain[:-1])[:, None], n[1:], np.nan)
    to_next, to_ca = ahead - c, ca - c
    length = np.linalg.norm(to_next, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = -(to_next / length + to_ca / np.linalg.norm(to_ca, axis=1, keepdims=True))
        ideal = c + _CARBONYL * away / np.linalg.norm(away, axis=1, keepdims=True)
        ideal[(length > PEPTIDE_BOND)[:, 0]] = np.nan
    o = np.where(np.isfinite(o), o, ideal)
    seen = np.flatnonzero(protein.has_backbone)
    return n[seen], ca[seen], c[seen], o[seen], seen


_CARBONYL = 1.23


def _assign(ca, linked, bonds, prefer_pi) -> np.ndarray:
    """States int8 [R] of residues with whole backbones."""
    count = len(ca)
    breaks = np.concatenate([[0], np.cumsum(~linked)])  # breaks before residue k
    known = _Pairs(bonds, count)

    def whole(first, last):
        """No break from residue `first` to residue `last`; false outside the protein."""
        inside = (first >= 0) & (last < count)
        return inside & (breaks[np.clip(first, 0, count)] == breaks[np.clip(last, 0, count)])

    states = np.full(count, C, np.int8)
    _strands(states, bonds, known, whole)

    index = np.arange(count)
    turn = {stride: whole(index, index + stride) & known.contains(index + stride, index) for stride in (3, 4, 5)}
    start = {stride: np.flatnonzero(turns[1:] & turns[:-1]) + 1 for stride, turns in turn.items()}

    states[_runs(start[4], 4).ravel()] = H
    for stride, state, over in ((3, G, (C, G)), (5, I, (C, I, H) if prefer_pi else (C, I))):
        residues = _runs(start[stride], stride)  # (helices, stride)
        # Two overlapping helices of one kind are one helix: a residue already given to this kind is no hindrance.
        free = np.isin(states[residues], over).all(axis=1)
        states[residues[free].ravel()] = state

    turned = np.zeros(count, bool)
    for stride, turns in turn.items():
        turned[_runs(np.flatnonzero(turns) + 1, stride - 1).ravel()] = True
    states[(states == C) & turned] = T
    states[(states == C) & _bends(ca, whole)] = S
    return states


def _runs(start, length) -> np.ndarray:
    """Indices int64 [starts, length] that follow each start."""
    return start[:, None] + np.arange(length)


def _bends(ca, whole) -> np.ndarray:
    """bool [R]: the direction CA(i-2) to CA(i) turns by more than 70 degrees towards CA(i+2)."""
    index = np.arange(len(ca))
    middle = index[whole(index - 2, index + 2)]
    before, after = ca[middle] - ca[middle - 2], ca[middle + 2] - ca[middle]
    cosine = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    bend = np.zeros(len(ca), bool)
    bend[middle] = cosine < np.cos(np.radians(BEND_ANGLE))
    return bend


class _Pairs:
    """A set of (donor, acceptor) pairs that is asked with arrays."""

    def __init__(self, pairs, count):
        self.count = count
        self.keys = np.sort(pairs[:, 0] * count + pairs[:, 1])

    def contains(self, first, second) -> np.ndarray:
        """bool: whether the pairs are in the set; false for indices outside the protein."""
        inside = (first >= 0) & (first < self.count) & (second >= 0) & (second < self.count)
        if len(self.keys) == 0:
            return np.zeros_like(inside)
        key = np.where(inside, first * self.count + second, -1)
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return self.keys[place] == key


def _strands(states, bonds, known, whole) -> None:
    """Set B for isolated bridges and E for ladders and the bulges between them."""
    count = len(states)
    d, a = bonds.T
    # Each pattern of two bonds is found from its first one (paper, "bridge"; i, j as there).
    parallel = _bridges(d - 1, a, known.contains(a, d - 2), whole, count)
    opposite = _bridges(
        np.concatenate([d - 1, d]),
        np.concatenate([a + 1, a]),
        np.concatenate([known.contains(a + 2, d - 2), known.contains(a, d)]),
        whole,
        count,
    )
    opposite = opposite[~np.isin(opposite @ [count, 1], parallel @ [count, 1])]

    extended = np.zeros(count + 1, np.int64)
    bridged = np.zeros(count, bool)
    for bridges, sign in ((parallel, 1), (opposite, -1)):
        if len(bridges) == 0:
            continue
        bridged[bridges.ravel()] = True
        i, j = _ladders(bridges, sign)  # first and last residue of each ladder on either strand: (ladders, 2)
        long = i[:, 1] > i[:, 0]
        before, after = _bulges(i, j, sign, whole)
        spans = [i[long], j[long]]
        for strand in (i, j):
            ends = np.concatenate([strand[before], strand[after]], axis=1)  # (bulges, 4)
            spans.append(np.stack([ends.min(1), ends.max(1)], axis=1))
        first, last = np.concatenate(spans).T
        np.add.at(extended, first, 1)
        np.add.at(extended, last + 1, -1)
    states[bridged] = B
    states[np.cumsum(extended)[:-1] > 0] = E


def _bridges(i, j, bonded, whole, count) -> np.ndarray:
    """Bridges int64 [bridges, 2], each once with i < j, sorted."""
    keep = bonded & whole(i - 1, i + 1) & whole(j - 1, j + 1) & (np.abs(i - j) >= 3)
    key = np.unique(np.minimum(i, j)[keep] * count + np.maximum(i, j)[keep])
    return np.stack([key // count, key % count], axis=1)


def _ladders(bridges, sign):
    """Bridges that follow one another on both strands: first and last residue on each, int64 [ladders, 2] twice.

    `sign` is 1 for parallel, -1 for antiparallel. On the second strand, too, the lower residue comes first.
    """
    i, j = bridges.T
    diagonal = j - sign * i
    order = np.lexsort((i, diagonal))
    i, j, diagonal = i[order], j[order], diagonal[order]
    new = np.ones(len(i), bool)
    new[1:] = (np.diff(diagonal) != 0) | (np.diff(i) != 1)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(i)) - 1
    i_ends, j_ends = np.stack([i[first], i[last]], 1), np.sort(np.stack([j[first], j[last]], 1), axis=1)
    order = np.lexsort((j_ends[:, 0], i_ends[:, 0]))
    return i_ends[order], j_ends[order]


def _bulges(i, j, sign, whole):
    """Pairs of ladders joined by a bulge: indices of the earlier and the later one on the first strand.

    At most one residue lies between them on one strand and at most four on the other.
    """
    low = np.searchsorted(i[:, 0], i[:, 1], side="right")
    high = np.searchsorted(i[:, 0], i[:, 1] + 5, side="right")
    number = high - low
    before = np.repeat(np.arange(len(i)), number)
    after = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(low, number)
    step_i = i[after, 0] - i[before, 1]
    step_j = j[after, 0] - j[before, 1] if sign > 0 else j[before, 0] - j[after, 1]
    near = (step_j >= 0) & ((step_j < 3) | ((step_j < 6) & (step_i < 3)))
    on_j = np.concatenate([j[before], j[after]], axis=1)
    near &= whole(i[before, 0], i[after, 1]) & whole(on_j.min(1), on_j.max(1))
    return before[near], after[near]
