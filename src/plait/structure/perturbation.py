"""Another conformer out of one structure: noise on all atoms, or side chains turned about their bonds.

Source: Zhang et al. 2023 (SiamDiff); specs/siamdiff.md, sections 5 and 9.5, where the faults of the published program
are listed. `compat` brings back those that change positions.
"""

import numpy as np

from plait.structure.neighbours import within_radius
from plait.structure.protein import Protein
from plait.structure.vocabulary import ATOMS, CHI_ATOMS, THREE_LETTER

GAUSSIAN_SPREAD = 0.3
"""Standard deviation of each coordinate in angstrom."""

TORSION_SPREAD = 0.1 * np.pi
"""Standard deviation of each side-chain dihedral in radians."""

SYMMETRIC = {"ASP": 1, "PHE": 1, "TYR": 1, "GLU": 2}
"""Residues whose side chain ends in two halves that only names tell apart, and which chi (from 0) turns it."""

ATTACHED = 2.2
"""Farthest that an atom of a name that its residue does not have may be (angstrom) from the one it hangs on."""

DISULFIDE, CROSS_LINK = 2.5, 1.9
"""Side-chain atoms of two residues are bonded if nearer than this (angstrom), two sulphurs or any others."""


def gaussian(protein: Protein, generator: np.random.Generator, spread: float = GAUSSIAN_SPREAD) -> Protein:
    """The protein with normal noise of standard deviation `spread` (angstrom) on every coordinate."""
    noise = generator.normal(scale=spread, size=protein.position.shape)
    return protein.with_positions((protein.position + noise).astype(protein.position.dtype))


def torsional(protein: Protein, generator: np.random.Generator, spread: float = TORSION_SPREAD) -> Protein:
    """The protein with each side-chain dihedral changed by a normal draw of standard deviation `spread` (radians).

    Four numbers a residue are drawn, whatever it has; see `turn_side_chains`.
    """
    return turn_side_chains(protein, generator.normal(scale=spread, size=(len(protein), 4)))


def turn_side_chains(protein: Protein, angle: np.ndarray, *, compat: bool = False) -> Protein:
    """The protein with side chains turned about their bonds, chi 1 first; the backbone stays.

    A bond turns if both its atoms are there and it is not part of a ring: prolines stay, and side chains that are
    bonded to another residue (disulfides above all). Atoms of names that the residue does not have, as in modified
    residues, go with the atom that they hang on. Where the end of a side chain is symmetric (`SYMMETRIC`), an angle
    and the same plus half a turn give the same shape with two names exchanged; the smaller of them is taken, so that
    no atom goes farther than it must.

    Parameters
    ----------
    angle : float [R, 4]
        By how much chi 1 to chi 4 of each residue change, radians; not read where a residue has no such chi.
    compat : bool
        As published: absent atoms are taken to lie at the origin, prolines are opened, bonds to other residues are
        torn, unknown names and symmetry are not looked at.
    """
    kind, atoms, slot = protein.residue_type, protein.residue_of, atom_slots(protein)
    atom_at = np.full((len(protein), _SLOTS), -1)
    known = np.flatnonzero(slot >= 0)
    atom_at[atoms[known], slot[known]] = known
    angle, position = np.asarray(angle, np.float64), protein.position.astype(np.float64)
    if compat:  # absent atoms are there, at the origin, and turned like others
        residue, place = np.nonzero(atom_at < 0)
        atom_at[residue, place] = len(position) + np.arange(len(residue))
        position = np.concatenate([position, np.zeros((len(residue), 3))])
        atoms, slot = np.concatenate([atoms, residue]), np.concatenate([slot, place])
    first = _TURNED[kind[atoms]]  # (A, 4)
    moves = (first >= 0) & (slot[:, None] >= first)
    if not compat:
        moves = _with_attached(protein, slot, moves)
        moves &= ~_in_rings(protein, moves)[atoms]
        angle = np.where(_HALF_TURN[kind], (angle + np.pi / 2) % np.pi - np.pi / 2, angle)
    for chi in range(4):
        rows = np.flatnonzero(moves[:, chi])
        ends = np.take_along_axis(atom_at[atoms[rows]], _AXIS[kind[atoms[rows]], chi], axis=1)  # (n, 2)
        there = (ends >= 0).all(axis=1)
        rows, ends = rows[there], ends[there]
        position[rows] = _turned(position[rows], *position[ends.T], angle[atoms[rows], chi])
    return protein.with_positions(position[: len(protein.position)].astype(protein.position.dtype))


def _turned(point: np.ndarray, begin: np.ndarray, end: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points [n, 3] turned right-handed about the axes from `begin` to `end`."""
    axis = end - begin
    axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-12)
    arm = point - begin
    along = (arm * axis).sum(axis=1, keepdims=True) * axis
    across = arm - along
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return begin + along + across * cosine + np.cross(axis, across) * sine


def atom_slots(protein: Protein) -> np.ndarray:
    """Place of each atom in `vocabulary.ATOMS` of its residue, int64 [A]; -1 for a name that is not there."""
    slot = np.full(len(protein.position), -1)
    kind = protein.residue_type[protein.residue_of]
    for number, residue in enumerate(THREE_LETTER):
        mine = np.flatnonzero(kind == number)
        for place, name in enumerate(ATOMS[residue]):
            slot[mine[protein.atom_name[mine] == name]] = place
    return slot


def _with_attached(protein: Protein, slot: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """`moves` bool [A, 4] with the atoms of other names: each hangs on the nearest atom of its residue, goes with it,
    and turns about a bond that ends in it."""
    moves, atoms = moves.copy(), protein.residue_of
    for residue in np.unique(atoms[slot < 0]):
        rows = np.arange(*np.searchsorted(atoms, [residue, residue + 1]))
        held, waiting = rows[slot[rows] >= 0].tolist(), rows[slot[rows] < 0].tolist()
        ends = _AXIS[protein.residue_type[residue], :, 1]
        while held and waiting:
            between = protein.position[waiting][:, None] - protein.position[held]
            distance = np.linalg.norm(between, axis=-1)
            which, holder = np.unravel_index(distance.argmin(), distance.shape)
            if distance[which, holder] > ATTACHED:
                break
            atom, holder = waiting.pop(which), held[holder]
            moves[atom] = moves[holder] | ((slot[holder] == ends) & (slot[holder] >= 0))
            held.append(atom)
    return moves


def _in_rings(protein: Protein, moves: np.ndarray) -> np.ndarray:
    """bool [R, 4]: the bond about which a chi turns is part of a ring, in a proline or through a bond between side
    chains; so an atom that would move (`moves` [A, 4]) is held elsewhere."""
    fixed = np.repeat((protein.residue_type == THREE_LETTER.index("PRO"))[:, None], 4, axis=1)
    first, second = within_radius(protein.position, DISULFIDE).T
    distance = np.linalg.norm(protein.position[first] - protein.position[second], axis=1)
    sulphur = (protein.element[first] == "S") & (protein.element[second] == "S")
    bonded = (protein.residue_of[first] != protein.residue_of[second]) & ((distance <= CROSS_LINK) | sulphur)
    np.logical_or.at(fixed, protein.residue_of[first[bonded]], moves[first[bonded]])
    return fixed


_SLOTS = max(map(len, ATOMS.values()))
_TURNED = np.full((len(THREE_LETTER), 4), -1)
"""First slot that each chi of a residue turns: those from the fourth atom of its dihedral on."""
_AXIS = np.full((len(THREE_LETTER), 4, 2), -1)
"""Slots of the bond about which it turns."""
_HALF_TURN = np.zeros((len(THREE_LETTER), 4), bool)
for _residue, _quadruples in CHI_ATOMS.items():
    for _chi, _quadruple in enumerate(_quadruples):
        _, *_bond, _turning = (ATOMS[_residue].index(name) for name in _quadruple.split())
        _TURNED[THREE_LETTER.index(_residue), _chi] = _turning
        _AXIS[THREE_LETTER.index(_residue), _chi] = _bond
    if _residue in SYMMETRIC:
        _HALF_TURN[THREE_LETTER.index(_residue), SYMMETRIC[_residue]] = True
