"""`AtomTable` to `Protein`: which residues are protein, in which order, and what stands beside them."""

import dataclasses
from collections.abc import Callable

import numpy as np

from plait.errors import InputError
from plait.structure.atoms import APART, POLYMER, AtomTable
from plait.structure.choices import (
    character,
    grouped,
    heavy_atoms,
    one_location_an_atom,
    one_type_a_position,
    shown,
    starts,
    with_coordinates,
)
from plait.structure.geometry import BOND_LIMIT, bonded
from plait.structure.protein import Hetero, Protein, Remark
from plait.structure.remarks import counted, listed, on_hetero, on_residues
from plait.structure.vocabulary import BACKBONE

_NOT_METALS = frozenset(b"X H D HE C N O S P SE F CL BR I B SI NE AR KR XE AS TE AT RN".split())
_HALIDES = frozenset((b"F", b"CL", b"BR", b"I"))


def assemble(table: AtomTable, residue_kind: Callable, *, chain: str | None, file) -> Protein:
    """The protein of an atom table, with remarks on all that was mapped, chosen or left out.

    Parameters
    ----------
    table : AtomTable
    residue_kind : function of a residue name to `reading_gemmi.ResidueKind`
    chain : str, optional
        Keep this chain only, by author identifier or else by label identifier.
    file
        For the message of an error.

    Raises
    ------
    InputError
        Most atoms have no coordinates, no residue is protein, or there is no such chain.
    """
    remarks = list(table.remarks)
    table = with_coordinates(heavy_atoms(table, remarks), remarks, file)
    table, residue = grouped(table, residue_kind, remarks)
    table, residue = one_type_a_position(table, residue, residue_kind, remarks)
    several = np.unique(residue[table.altloc != 0])
    table, residue = one_location_an_atom(table, residue, remarks)
    residues = _Residues.of(table, residue, residue_kind)
    _tell_nucleotides(residues, table, residue)
    is_protein, rank = _protein_residues(residues, _backbone(table, residue))
    if not is_protein.any():
        raise _no_protein(residues, table.models, file)
    wanted = _chosen(residues, is_protein, chain, remarks, file)
    order = np.flatnonzero(wanted)
    order = _by_chain(residues, order[np.argsort(rank[order], kind="stable")])
    remarks += _on_altlocs(residues, several[wanted[several]])
    hetero = _hetero(table, residue, residues, ~is_protein)
    protein = _protein(table, residue, residues, order)
    predicted, scale, why = _prediction(table, residue, is_protein, len(hetero))
    remarks += why
    protein = protein.replace(hetero=hetero, predicted=predicted, b_factor=protein.b_factor * np.float32(scale))
    remarks += on_residues(protein, modified=~residues.standard[order])
    remarks += on_hetero(hetero)
    return protein.replace(remarks=tuple(remarks))


# -- residues


@dataclasses.dataclass(frozen=True)
class _Residues:
    """What is known of each residue of the table, protein or not; arrays [R]."""

    chain: np.ndarray
    label_chain: np.ndarray
    name: np.ndarray
    number: np.ndarray
    insertion_code: np.ndarray
    hetatm: np.ndarray
    polymer: np.ndarray
    kind: np.ndarray
    residue_type: np.ndarray
    standard: np.ndarray

    @classmethod
    def of(cls, table: AtomTable, residue: np.ndarray, residue_kind: Callable) -> "_Residues":
        first = np.flatnonzero(starts(residue)) if len(residue) else np.zeros(0, np.int64)
        names, inverse = np.unique(table.residue_name[first], return_inverse=True)
        kinds = [residue_kind(name.decode("ascii", "replace")) for name in names]
        kind = np.array([k.kind for k in kinds], "U10")[inverse]
        atoms = np.bincount(residue)
        element = table.element[first]
        metal = ~np.isin(element, list(_NOT_METALS)) | np.isin(element, list(_HALIDES))
        kind[(kind == "other") & (atoms == 1) & metal] = "ion"
        kind[table.sugar[first] & (kind != "water")] = "sugar"
        return cls(
            chain=table.chain[first],
            label_chain=table.label_chain[first],
            name=table.residue_name[first],
            number=table.number[first],
            insertion_code=table.insertion_code[first],
            hetatm=table.hetatm[first],
            polymer=table.polymer[first],
            kind=kind,
            residue_type=np.array([k.residue_type for k in kinds], np.int8)[inverse],
            standard=np.array([k.standard for k in kinds], bool)[inverse],
        )


def _tell_nucleotides(residues: _Residues, table: AtomTable, residue: np.ndarray) -> None:
    """Call modified nucleotides of a polymer that no table knows nucleic, by the sugar in them."""
    with_ribose = np.zeros(len(residues.kind), bool)
    with_ribose[residue[table.atom_name == b"C1'"]] = True
    residues.kind[with_ribose & (residues.kind == "other") & (residues.polymer == POLYMER)] = "nucleic"


def _backbone(table: AtomTable, residue: np.ndarray) -> np.ndarray:
    """N, CA, C, O of every residue: float64 [R, 4, 3], NaN where absent."""
    found = np.full((int(residue[-1]) + 1 if len(residue) else 0, 4, 3), np.nan)
    for index, name in enumerate(BACKBONE):
        rows = table.atom_name == name.encode()
        found[residue[rows], index] = table.position[rows]
    return found


def _protein_residues(residues: _Residues, backbone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which residues are protein, bool [R], and their place along the chain, float [R].

    Amino acids of the polymer are, and residues of other names if they have N, CA, C and are linked to one. A free
    amino acid (HETATM, not linked) is a ligand; capping groups (ACE, NH2) are no residues.
    """
    amino = residues.kind == "amino acid"
    whole = np.isfinite(backbone[:, :3]).all(axis=(1, 2))
    candidate = (amino | (whole & (residues.kind == "other"))) & (residues.polymer != APART)
    same = ~starts(residues.chain) & candidate
    same[1:] &= candidate[:-1]
    to_previous = bonded(backbone, same)
    linked = to_previous.copy()
    linked[:-1] |= to_previous[1:]
    certain = candidate & ((residues.polymer == POLYMER) | (amino & ~residues.hetatm))
    chosen, rank = _with_strays(residues, backbone, certain, np.flatnonzero(candidate & ~certain))
    return chosen | (candidate & linked), rank


def _with_strays(residues, backbone, chosen, waiting) -> tuple[np.ndarray, np.ndarray]:
    """Put modified residues that a program wrote after the chain (as HETATM) back where they are bonded."""
    chosen, rank = chosen.copy(), np.arange(len(chosen), dtype=float)
    if not len(waiting):
        return chosen, rank
    depth = np.zeros(len(chosen))
    # First after the residue that it follows, if there is one, so that several in a row come into their order.
    for here, there, side in ((0, 2, 1), (2, 0, -1)):
        found = True
        while found:
            found = False
            for index in waiting[~chosen[waiting]]:
                mates = np.flatnonzero(chosen & (residues.chain == residues.chain[index]))
                distance = np.linalg.norm(backbone[mates, there] - backbone[index, here], axis=1)
                near = np.flatnonzero(distance <= BOND_LIMIT)
                if len(near):
                    mate = mates[near[0]]
                    depth[index] = depth[mate] + 1
                    rank[index] = rank[mate] + side * 0.5 ** depth[index]
                    chosen[index] = found = True
    return chosen, rank


def _no_protein(residues: _Residues, models: int, file) -> InputError:
    kinds, count = np.unique(np.where(residues.kind == "nucleic", "nucleotide", residues.kind), return_counts=True)
    found = ", ".join(counted(n, f"{kind} residue") for kind, n in zip(kinds.tolist(), count.tolist()))
    return InputError(
        "no protein in this model" if models > 1 else "no protein in this file",
        file=file,
        place="all chains",
        got=found or "no atoms",
        expected="at least one residue of a protein chain",
        do=f"The file has {models} models: another one may have it." if models > 1 else None,
    )


def _chosen(residues: _Residues, is_protein: np.ndarray, chain: str | None, remarks: list[Remark], file) -> np.ndarray:
    if chain is None:
        return is_protein
    if not isinstance(chain, str):
        raise InputError("not a chain identifier", file=file, got=repr(chain), expected="text, such as 'A'")
    name = chain.strip().encode("ascii", "replace")
    for column, others in ((residues.chain, "chain"), (residues.label_chain, "label chain")):
        wanted = is_protein & (column == name)
        if wanted.any():
            left = dict.fromkeys(column[is_protein & ~wanted].tolist())
            if left:
                text = f"read; left out: {', '.join(shown(n) for n in left)}"
                remarks.append(Remark("chain", f"{others} {shown(name)}", text))
            return wanted
    pairs = dict.fromkeys(zip(residues.chain[is_protein].tolist(), residues.label_chain[is_protein].tolist()))
    there = ", ".join(shown(a) + (f" (label {shown(b)})" if a != b else "") for a, b in pairs)
    other = (residues.chain == name) | (residues.label_chain == name)
    raise InputError(
        "chain has no protein" if other.any() else "no such chain",
        file=file,
        got=repr(chain),
        expected=f"one of {there}",
    )


def _by_chain(residues: _Residues, order: np.ndarray) -> np.ndarray:
    """Residues with the parts of a chain brought together, chains by first appearance."""
    _, first, code = np.unique(residues.chain[order], return_index=True, return_inverse=True)
    return order[np.argsort(first[code], kind="stable")]


def _on_altlocs(residues: _Residues, several: np.ndarray) -> list[Remark]:
    remarks = []
    for chain in dict.fromkeys(residues.chain[several].tolist()):
        mine = several[residues.chain[several] == chain]
        places = [f"{residues.number[i]}{character(residues.insertion_code[i])}" for i in mine]
        text = f"{counted(len(mine), 'residue')} with alternative locations, the most occupied kept: {listed(places)}"
        remarks.append(Remark("altloc", f"chain {shown(chain)}", text))
    return remarks


def _text(codes: np.ndarray) -> np.ndarray:
    """Character codes uint8 [N] as str [N], "" for 0."""
    return codes.astype("u1").view("S1").astype("U1")


# -- results


def _protein(table: AtomTable, residue: np.ndarray, residues: _Residues, order: np.ndarray) -> Protein:
    index = np.full(len(residues.chain), -1, np.int64)
    index[order] = np.arange(len(order))
    rows = np.flatnonzero(index[residue] >= 0)
    residue_of = index[residue[rows]]
    if (np.diff(residue_of) < 0).any():
        rows = rows[np.argsort(residue_of, kind="stable")]
        residue_of = index[residue[rows]]
    atom_name, b_factor = table.atom_name[rows], table.b_factor[rows]
    per_residue = np.bincount(residue_of, b_factor, len(order)) / np.bincount(residue_of, minlength=len(order))
    is_ca = atom_name == b"CA"
    per_residue[residue_of[is_ca]] = b_factor[is_ca]
    chain = residues.chain[order].astype(str)
    starts = np.flatnonzero(np.concatenate([[True], chain[1:] != chain[:-1]]))
    lengths = np.diff(np.append(starts, len(chain)))
    return Protein(
        residue_type=residues.residue_type[order],
        residue_name=residues.name[order].astype(str),
        chain=chain,
        label_chain=residues.label_chain[order].astype(str),
        author_number=residues.number[order].astype(np.int32),
        insertion_code=_text(residues.insertion_code[order]),
        sequence_index=(np.arange(len(chain)) - np.repeat(starts, lengths)).astype(np.int32),
        b_factor=per_residue.astype(np.float32),
        position=_single(table.position[rows]),
        atom_name=atom_name.astype(str),
        element=table.element[rows].astype(str),
        residue_of=residue_of.astype(np.int32),
    )


def _single(position: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, which `validate` reports
        return position.astype(np.float32)


def _hetero(table: AtomTable, residue: np.ndarray, residues: _Residues, apart: np.ndarray) -> Hetero:
    rows = np.flatnonzero(apart[residue])
    group = np.cumsum(apart)[residue[rows]] - 1
    kind = np.where(np.isin(residues.kind, ("ion", "water", "nucleic", "sugar")), residues.kind, "ligand")
    return Hetero(
        position=_single(table.position[rows]),
        atom_name=table.atom_name[rows].astype(str),
        residue_name=table.residue_name[rows].astype(str),
        chain=table.chain[rows].astype(str),
        insertion_code=_text(table.insertion_code[rows]),
        element=table.element[rows].astype(str),
        author_number=table.number[rows].astype(np.int32),
        kind=kind[residue[rows]].astype("U7"),
        group=group.astype(np.int32),
    )


def _prediction(table: AtomTable, residue, is_protein, hetero: int) -> tuple[bool, float, list[Remark]]:
    """Whether the B-factors are pLDDT, what they are to be multiplied by, and a remark that says why."""
    b_factor = table.b_factor[is_protein[residue]]
    low, high = float(b_factor.min()), float(b_factor.max())
    if table.predicted_by:
        if low < 0 or high > 100:
            text = f"predicted by {table.predicted_by}, but the B-factors ({low:.4g} to {high:.4g}) are no pLDDT"
            return False, 1.0, [Remark("predicted", "", text)]
        if high <= 1.0:
            text = f"predicted by {table.predicted_by}: pLDDT of 0 to 1 in the B-factor, multiplied by 100"
            return True, 100.0, [Remark("predicted", "", text)]
        return True, 1.0, [Remark("predicted", "", f"predicted by {table.predicted_by}: pLDDT in the B-factor")]
    if table.experiment or hetero or table.models > 1 or (table.altloc != 0).any():
        return False, 1.0, []
    uniform = (b_factor[1:] == b_factor[:-1]) | (np.diff(residue[is_protein[residue]]) != 0)
    full = len(table) >= 4 * is_protein.sum()
    if full and uniform.all() and 1 < high <= 100 and 0 <= low < high and (table.occupancy == 1).all():
        text = "taken for a predicted model with pLDDT in the B-factor: one value a residue, no experiment named"
        return True, 1.0, [Remark("predicted", "", text)]
    return False, 1.0, []
