"""`AtomTable` to `Protein`: which atoms are protein, and which of several residue types and locations are kept."""

import dataclasses
from collections.abc import Callable

import numpy as np

from plait.errors import InputError
from plait.structure.atoms import APART, POLYMER, AtomTable
from plait.structure.geometry import BOND_LIMIT, bonded
from plait.structure.protein import Hetero, Protein, Remark
from plait.structure.remarks import counted, listed, on_hetero, on_residues
from plait.structure.vocabulary import BACKBONE

_MOST_MISSING = 0.2
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
    table = _with_coordinates(_heavy_atoms(table, remarks), remarks, file)
    table, residue = _grouped(table, residue_kind, remarks)
    table, residue = _one_type_a_position(table, residue, residue_kind, remarks)
    several = np.unique(residue[table.altloc != 0])
    table, residue = _one_location_an_atom(table, residue, remarks)
    residues = _Residues.of(table, residue, residue_kind)
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


# -- atoms


def _heavy_atoms(table: AtomTable, remarks: list[Remark]) -> AtomTable:
    light = (table.element == b"H") | (table.element == b"D")
    if not light.any():
        return table
    heavy = int((table.element == b"D").sum())
    text = f"{counted(int(light.sum()), 'hydrogen')} left out" + (f", {heavy} of them deuterium" if heavy else "")
    remarks.append(Remark("hydrogen", "", text))
    return table.take(~light)


def _with_coordinates(table: AtomTable, remarks: list[Remark], file) -> AtomTable:
    missing = ~np.isfinite(table.position).all(axis=1)
    if not missing.any():
        return table
    if missing.mean() > _MOST_MISSING:
        raise InputError(
            "most atoms lack coordinates" if missing.mean() > 0.5 else "many atoms lack coordinates",
            file=file,
            place=_place(table, int(np.argmax(missing))),
            got=f"{missing.sum()} of {len(table)} atoms without",
            expected="a number for each",
        )
    places = [
        f"{table.chain[i].decode()} {table.number[i]} {table.atom_name[i].decode()}" for i in np.flatnonzero(missing)
    ]
    text = f"{counted(int(missing.sum()), 'atom')} without coordinates left out: {listed(places)}"
    remarks.append(Remark("missing coordinates", "", text))
    return table.take(~missing)


def _starts(*columns: np.ndarray) -> np.ndarray:
    """bool [N]: True where one of the columns differs from the row before, and for the first row."""
    changed = np.ones(len(columns[0]), bool)
    changed[1:] = False
    for column in columns:
        column = column.view(np.uint64) if column.dtype == np.dtype("S8") else column
        changed[1:] |= column[1:] != column[:-1]
    return changed


def _grouped(table: AtomTable, residue_kind: Callable, remarks: list[Remark]) -> tuple[AtomTable, np.ndarray]:
    """The table with the atoms of a residue together, and the residue number [N] of each atom."""
    if not len(table):
        return table, np.zeros(0, np.int64)
    start = _starts(table.chain, table.number, table.insertion_code, table.residue_name)
    run = np.cumsum(start) - 1
    first = np.flatnonzero(start)
    keys = list(
        zip(
            table.chain[first].tolist(),
            table.number[first].tolist(),
            table.insertion_code[first].tolist(),
            table.residue_name[first].tolist(),
        )
    )
    if len(set(keys)) == len(keys):
        return table, run
    target, copies = _reunited(table, np.append(first, len(table)), keys, residue_kind)
    chain = table.chain.copy()
    for index, level in copies.items():
        rows = slice(first[index], first[index + 1] if index + 1 < len(first) else len(table))
        chain[rows] = keys[index][0][:5] + b"-" + str(level + 1).encode()
    for name in dict.fromkeys(keys[index][0] for index in copies):
        most = max(level for index, level in copies.items() if keys[index][0] == name) + 1
        text = f"{most} chains of this name with the same numbers: later ones are called {name.decode()}-2 and so on"
        remarks.append(Remark("repeated chain", f"chain {name.decode()}", text))
    order = np.argsort(target[run], kind="stable")
    residue = target[run][order]
    return dataclasses.replace(table, chain=chain).take(order), np.cumsum(_starts(residue)) - 1


def _reunited(table, edges, keys, residue_kind) -> tuple[np.ndarray, dict[int, int]]:
    """For runs of atoms whose residue was there before: which run each belongs to, and which are copies of a chain."""
    target = np.arange(len(keys))
    atoms: dict[tuple, dict] = {}
    level: dict[bytes, int] = {}
    copies: dict[int, int] = {}

    def places(index: int) -> dict:
        rows = range(edges[index], edges[index + 1])
        return {(table.atom_name[i], table.altloc[i]): table.position[i] for i in rows}

    repeated = {key for key in keys if keys.count(key) > 1} if len(keys) < 2000 else _repeated(keys)
    for index, key in enumerate(keys):
        now = level.get(key[0], 0)
        chainlike = residue_kind(key[3].decode()).kind in ("amino acid", "nucleic") and not table.hetatm[edges[index]]
        if key in repeated:
            mine = places(index)
            while (key, now) in atoms:
                home, theirs = atoms[key, now]
                common = mine.keys() & theirs.keys()
                if all(np.allclose(mine[name], theirs[name], atol=1e-3) for name in common):
                    target[index] = home
                    theirs.update(mine)
                    break
                now += 1
            else:
                atoms[key, now] = (index, mine)
                if chainlike and now > level.get(key[0], 0):
                    level[key[0]] = now
                    back = index  # the copy began where the numbers of this chain last started again
                    while back and keys[back - 1][0] == key[0] and keys[back - 1][1] <= keys[back][1]:
                        back -= 1
                        copies[back] = now
        if chainlike and level.get(key[0], 0) and target[index] == index:
            copies[index] = level[key[0]]
    return target, copies


def _repeated(keys: list) -> set:
    seen: set = set()
    return {key for key in keys if key in seen or seen.add(key)}


def _one_type_a_position(table, residue, residue_kind, remarks) -> tuple[AtomTable, np.ndarray]:
    """Of several residue types at one position (microheterogeneity) the one with the highest occupancy."""
    if not len(table):
        return table, residue
    first = np.flatnonzero(_starts(residue))
    position = np.cumsum(_starts(table.chain[first], table.number[first], table.insertion_code[first])) - 1
    size = np.bincount(position)
    if (size == 1).all():
        return table, residue
    with_altloc = np.bincount(residue, table.altloc != 0, minlength=len(first)) > 0
    occupancy = np.bincount(residue, table.occupancy) / np.bincount(residue)
    dropped = np.zeros(len(first), bool)
    for group in np.flatnonzero(size > 1):
        members = np.flatnonzero(position == group)
        names = [table.residue_name[first[i]].decode() for i in members]
        amino = [residue_kind(name).kind == "amino acid" for name in names]
        place = _place(table, first[members[0]])
        if with_altloc[members].all():
            best = members[int(np.argmax(np.round(occupancy[members], 4)))]
            dropped[members] = members != best
            shares = ", ".join(f"{name} ({occupancy[i]:.2f})" for name, i in zip(names, members))
            kept = table.residue_name[first[best]].decode()
            remarks.append(Remark("heterogeneous", place, f"{kept} kept of {shares}"))
        elif sum(amino) > 1:
            text = f"{len(members)} residues have this number ({', '.join(names)}): all kept, the number is ambiguous"
            remarks.append(Remark("duplicate number", place, text))
    if not dropped.any():
        return table, residue
    keep = ~dropped[residue]
    return table.take(keep), np.cumsum(_starts(residue[keep])) - 1


def _one_location_an_atom(table, residue, remarks) -> tuple[AtomTable, np.ndarray]:
    """Of several locations of an atom one: the residue's location of highest mean occupancy, first of equals."""
    _, name = np.unique(table.atom_name.view(np.uint64), return_inverse=True)
    pair = residue * (int(name.max(initial=0)) + 1) + name
    ordered = np.sort(pair)
    if not (table.altloc != 0).any() and not (ordered[1:] == ordered[:-1]).any():
        return table, residue
    preferred = _preferred_altloc(table, residue)
    other = (table.altloc != 0) & (table.altloc != preferred[residue])
    order = np.lexsort((np.arange(len(pair)), -table.occupancy, other, pair))
    best = _starts(pair[order])
    keep = np.zeros(len(pair), bool)
    keep[order[best]] = True
    twice = ~keep & (table.altloc == 0)
    if twice.any():
        places = dict.fromkeys(_place(table, i) for i in np.flatnonzero(twice))
        text = f"{counted(int(twice.sum()), 'atom')} written more than once, the first kept: {listed(list(places))}"
        remarks.append(Remark("duplicate atom", "", text))
    return table.take(keep), residue[keep]


def _preferred_altloc(table, residue) -> np.ndarray:
    """uint8 [residues]: the location with the highest mean occupancy, 0 where there is only one."""
    preferred = np.zeros(int(residue[-1]) + 1 if len(residue) else 0, np.uint8)
    rows = np.flatnonzero(table.altloc)
    if not len(rows):
        return preferred
    group = residue[rows] * 256 + table.altloc[rows]
    groups, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    mean = np.round(np.bincount(inverse, table.occupancy[rows]) / np.bincount(inverse), 4)
    order = np.lexsort((first, -mean, groups // 256))
    best = order[_starts(groups[order] // 256)]
    preferred[groups[best] // 256] = groups[best] % 256
    return preferred


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
        first = np.flatnonzero(_starts(residue)) if len(residue) else np.zeros(0, np.int64)
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
    same = ~_starts(residues.chain) & candidate
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
    depth = np.zeros(len(chosen))
    # After the residue that it follows if it can be, so that several in a row come into their order.
    for here, there, side in ((0, 2, 1), (2, 0, -1)) * (len(waiting) > 0):
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
    name = chain.strip().encode() if isinstance(chain, str) else chain
    for column, others in ((residues.chain, "chain"), (residues.label_chain, "label chain")):
        wanted = is_protein & (column == name)
        if wanted.any():
            left = dict.fromkeys(column[is_protein & ~wanted].tolist())
            if left:
                text = f"read; left out: {', '.join(_shown(n) for n in left)}"
                remarks.append(Remark("chain", f"{others} {_shown(name)}", text))
            return wanted
    pairs = dict.fromkeys(zip(residues.chain[is_protein].tolist(), residues.label_chain[is_protein].tolist()))
    there = ", ".join(_shown(a) + (f" (label {_shown(b)})" if a != b else "") for a, b in pairs)
    other = (residues.chain == name) | (residues.label_chain == name)
    raise InputError(
        "chain has no protein" if other.any() else "no such chain",
        file=file,
        got=repr(chain),
        expected=f"one of {there}",
    )


def _shown(name: bytes) -> str:
    return name.decode("ascii", "replace") or "(blank)"


def _by_chain(residues: _Residues, order: np.ndarray) -> np.ndarray:
    """Residues with the parts of a chain brought together, chains by first appearance."""
    _, first, code = np.unique(residues.chain[order], return_index=True, return_inverse=True)
    return order[np.argsort(first[code], kind="stable")]


def _on_altlocs(residues: _Residues, several: np.ndarray) -> list[Remark]:
    remarks = []
    for chain in dict.fromkeys(residues.chain[several].tolist()):
        mine = several[residues.chain[several] == chain]
        places = [f"{residues.number[i]}{_character(residues.insertion_code[i])}" for i in mine]
        text = f"{counted(len(mine), 'residue')} with alternative locations, the most occupied kept: {listed(places)}"
        remarks.append(Remark("altloc", f"chain {_shown(chain)}", text))
    return remarks


def _place(table: AtomTable, row: int) -> str:
    return f"chain {_shown(table.chain[row])}, residue {table.number[row]}{_character(table.insertion_code[row])}"


def _character(code: int) -> str:
    return chr(code) if code else ""


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
