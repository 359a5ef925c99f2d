"""Of several residue types at a position and several locations of an atom one, and remarks on what was left out."""

import dataclasses
from collections.abc import Callable

import numpy as np

from plait.errors import InputError
from plait.structure.atoms import AtomTable
from plait.structure.protein import Remark
from plait.structure.remarks import counted, listed

_MOST_MISSING = 0.2
"""Largest share of atoms without coordinates that is left out with a remark."""


def heavy_atoms(table: AtomTable, remarks: list[Remark]) -> AtomTable:
    """The atoms that are neither hydrogen nor deuterium."""
    light = (table.element == b"H") | (table.element == b"D")
    if not light.any():
        return table
    heavy = int((table.element == b"D").sum())
    text = f"{counted(int(light.sum()), 'hydrogen')} left out" + (f", {heavy} of them deuterium" if heavy else "")
    remarks.append(Remark("hydrogen", "", text))
    return table.take(~light)


def with_coordinates(table: AtomTable, remarks: list[Remark], file) -> AtomTable:
    """The atoms that have coordinates. Raises InputError where too many have none."""
    missing = ~np.isfinite(table.position).all(axis=1)
    if not missing.any():
        return table
    if missing.mean() > _MOST_MISSING:
        raise InputError(
            "most atoms lack coordinates" if missing.mean() > 0.5 else "many atoms lack coordinates",
            file=file,
            place=place_of(table, int(np.argmax(missing))),
            got=f"{missing.sum()} of {len(table)} atoms without",
            expected="a number for each",
        )
    places = [
        f"{table.chain[i].decode()} {table.number[i]} {table.atom_name[i].decode()}" for i in np.flatnonzero(missing)
    ]
    text = f"{counted(int(missing.sum()), 'atom')} without coordinates left out: {listed(places)}"
    remarks.append(Remark("missing coordinates", "", text))
    return table.take(~missing)


def starts(*columns: np.ndarray) -> np.ndarray:
    """bool [N]: True where one of the columns differs from the row before, and for the first row."""
    changed = np.ones(len(columns[0]), bool)
    changed[1:] = False
    for column in columns:
        column = column.view(np.uint64) if column.dtype == np.dtype("S8") else column
        changed[1:] |= column[1:] != column[:-1]
    return changed


def grouped(table: AtomTable, residue_kind: Callable, remarks: list[Remark]) -> tuple[AtomTable, np.ndarray]:
    """The table with the atoms of a residue together, and the residue number [N] of each atom."""
    if not len(table):
        return table, np.zeros(0, np.int64)
    start = starts(table.chain, table.number, table.insertion_code, table.residue_name)
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
    chain = table.chain.astype(f"S{table.chain.dtype.itemsize + 4}")
    for index, level in copies.items():
        rows = slice(first[index], first[index + 1] if index + 1 < len(first) else len(table))
        chain[rows] = keys[index][0] + b"-" + str(level + 1).encode()
    for name in dict.fromkeys(keys[index][0] for index in copies):
        most = max(level for index, level in copies.items() if keys[index][0] == name) + 1
        text = f"{most} chains of this name with the same numbers: later ones are called {name.decode()}-2 and so on"
        remarks.append(Remark("repeated chain", f"chain {name.decode()}", text))
    order = np.argsort(target[run], kind="stable")
    residue = target[run][order]
    return dataclasses.replace(table, chain=chain).take(order), np.cumsum(starts(residue)) - 1


def _reunited(table, edges, keys, residue_kind) -> tuple[np.ndarray, dict[int, int]]:
    """For runs of atoms whose residue was there before: which run each belongs to, and which are copies of a chain."""
    target = np.arange(len(keys))
    atoms: dict[tuple, dict] = {}
    level: dict[bytes, int] = {}
    copies: dict[int, int] = {}

    def places(index: int) -> dict:
        rows = range(edges[index], edges[index + 1])
        return {(table.atom_name[i], table.altloc[i]): table.position[i] for i in rows}

    repeated = _repeated(keys)
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


def one_type_a_position(table, residue, residue_kind, remarks) -> tuple[AtomTable, np.ndarray]:
    """Of several residue types at one position (microheterogeneity) the one with the highest occupancy."""
    if not len(table):
        return table, residue
    first = np.flatnonzero(starts(residue))
    position = np.cumsum(starts(table.chain[first], table.number[first], table.insertion_code[first])) - 1
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
        place = place_of(table, first[members[0]])
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
    return table.take(keep), np.cumsum(starts(residue[keep])) - 1


def one_location_an_atom(table, residue, remarks) -> tuple[AtomTable, np.ndarray]:
    """Of several locations of an atom one: the residue's location of highest mean occupancy, first of equals."""
    _, name = np.unique(table.atom_name.view(np.uint64), return_inverse=True)
    pair = residue * (int(name.max(initial=0)) + 1) + name
    ordered = np.sort(pair)
    if not (table.altloc != 0).any() and not (ordered[1:] == ordered[:-1]).any():
        return table, residue
    preferred = _preferred_altloc(table, residue)
    other = (table.altloc != 0) & (table.altloc != preferred[residue])
    order = np.lexsort((np.arange(len(pair)), -table.occupancy, other, pair))
    best = starts(pair[order])
    keep = np.zeros(len(pair), bool)
    keep[order[best]] = True
    twice = ~keep & (table.altloc == 0)
    if twice.any():
        places = dict.fromkeys(place_of(table, i) for i in np.flatnonzero(twice))
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
    best = order[starts(groups[order] // 256)]
    preferred[groups[best] // 256] = groups[best] % 256
    return preferred


def place_of(table: AtomTable, row: int) -> str:
    return f"chain {shown(table.chain[row])}, residue {table.number[row]}{character(table.insertion_code[row])}"


def character(code: int) -> str:
    return chr(code) if code else ""


def shown(name: bytes) -> str:
    return name.decode("ascii", "replace") or "(blank)"
