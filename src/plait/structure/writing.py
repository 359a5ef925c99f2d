"""`Protein` to PDB and mmCIF files, with a value per residue in the B-factor column."""

import gzip
import os
import tempfile
from pathlib import Path

import gemmi
import numpy as np

from plait.errors import InputError
from plait.structure.protein import Hetero, Protein
from plait.structure.vocabulary import THREE_LETTER

MARK = "WRITTEN BY PLAIT"
"""Stands in the files, so that a value per residue is not taken for the pLDDT of a predicted model when read again."""

PREDICTED_MARK = "B-FACTOR: PLDDT"

_PDB, _MMCIF = (".pdb", ".ent"), (".cif", ".mmcif")
_PDB_ATOMS = 99_999
_ENTITY = {
    "nucleic": gemmi.EntityType.Polymer,
    "sugar": gemmi.EntityType.Branched,
    "water": gemmi.EntityType.Water,
    "ligand": gemmi.EntityType.NonPolymer,
    "ion": gemmi.EntityType.NonPolymer,
}


def write_structure(protein: Protein, path: str | os.PathLike, *, values: np.ndarray | None = None) -> Path:
    """Write a protein with its ligands (not its waters) to a file; what stood there before stays until all is written.

    Parameters
    ----------
    protein : Protein
    path : path
        The ending decides the format: .pdb or .ent, .cif or .mmcif, each also with .gz.
    values : float [L], optional
        For the B-factor column of each residue instead of `protein.b_factor`; not a number is written as 0, and how
        often stands in the file.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    InputError
        Unknown ending, a folder that cannot be written, `values` of another length, or a structure that the PDB
        format cannot hold.
    """
    path = Path(path)
    packed = path.suffix.lower() == ".gz"
    ending = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if ending not in _PDB + _MMCIF:
        got = repr(path.suffix or path.name)
        raise InputError("unknown ending for a structure", file=path, got=got, expected=".pdb or .cif, also with .gz")
    per_residue, note = _column(protein, values, path)
    structure = _structure(protein, per_residue)
    if ending in _PDB:
        _check_pdb_limits(protein, per_residue, path)
        text = _pdb_text(structure, note)
    else:
        text = _mmcif_text(structure, note)
    data = text.encode()
    _replace(path, gzip.compress(data, mtime=0) if packed else data)
    return path


def _column(protein: Protein, values, path) -> tuple[np.ndarray, str]:
    """The numbers for the B-factor column and the line that says what they are."""
    if values is None:
        return np.nan_to_num(protein.b_factor), PREDICTED_MARK if protein.predicted else "B-FACTOR: B-FACTOR OF C-ALPHA"
    values = np.asarray(values, dtype=float)
    if values.shape != (len(protein),):
        raise InputError("one value per residue is needed", file=path, got=values.shape, expected=(len(protein),))
    absent = int((~np.isfinite(values)).sum())
    note = "B-FACTOR: VALUE PER RESIDUE" + (f", ABSENT FOR {absent} RESIDUES AND 0 THERE" if absent else "")
    return np.where(np.isfinite(values), values, 0.0), note


def _structure(protein: Protein, per_residue: np.ndarray) -> gemmi.Structure:
    structure = gemmi.Structure()
    structure.name = _block_name(protein.source)
    model = gemmi.Model(1)
    subchains: dict[str, gemmi.EntityType] = {}
    edges = np.searchsorted(protein.residue_of, np.arange(len(protein) + 1)).tolist()
    position = protein.position.tolist()
    atom_name, element = protein.atom_name.tolist(), protein.element.tolist()
    for name in protein.chains:
        chain = gemmi.Chain(name)
        for index in np.flatnonzero(protein.chain == name).tolist():
            residue = _residue(protein, index)
            subchains[residue.subchain] = gemmi.EntityType.Polymer
            b_factor = float(per_residue[index])
            for row in range(edges[index], edges[index + 1]):
                residue.add_atom(_atom(atom_name[row], element[row], position[row], b_factor))
            chain.add_residue(residue)
        model.add_chain(chain)
    for chain in _hetero_chains(protein.hetero, subchains):
        model.add_chain(chain)
    structure.add_model(model)
    entities = {}
    for subchain, kind in subchains.items():
        entity = gemmi.Entity(str(len(entities) + 1))
        entity.entity_type = kind
        entity.subchains = [subchain]
        entities[subchain] = entity.name
        structure.entities.append(entity)
    for chain in structure[0]:
        for residue in chain:
            residue.entity_id = entities[residue.subchain]
    return structure


def _residue(protein: Protein, index: int) -> gemmi.Residue:
    residue = gemmi.Residue()
    residue.name = str(protein.residue_name[index])
    residue.seqid = gemmi.SeqId(int(protein.author_number[index]), str(protein.insertion_code[index]) or " ")
    residue.subchain = str(protein.label_chain[index]) or str(protein.chain[index]) or "A"
    residue.label_seq = int(protein.sequence_index[index]) + 1
    residue.entity_type = gemmi.EntityType.Polymer
    residue.het_flag = "A" if residue.name in THREE_LETTER else "H"
    return residue


def _atom(name: str, element: str, position: list[float], b_factor: float) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name = name
    atom.element = gemmi.Element(element or "X")
    atom.pos = gemmi.Position(*position)
    atom.occ = 1.0
    atom.b_iso = b_factor
    return atom


def _hetero_chains(hetero: Hetero, subchains: dict[str, gemmi.EntityType]) -> list[gemmi.Chain]:
    """One gemmi chain for each author chain, residue after residue; waters left out."""
    chains: dict[str, gemmi.Chain] = {}
    chain, residue, group = None, None, None
    for row in np.flatnonzero(hetero.kind != "water").tolist():
        if hetero.group[row] != group:
            if chain is not None:
                chain.add_residue(residue)
            group = hetero.group[row]
            kind = str(hetero.kind[row])
            name = str(hetero.chain[row])
            chain = chains.setdefault(name, gemmi.Chain(name))
            residue = gemmi.Residue()
            residue.name = str(hetero.residue_name[row])
            residue.seqid = gemmi.SeqId(int(hetero.author_number[row]), str(hetero.insertion_code[row]) or " ")
            residue.entity_type = _ENTITY[kind]
            residue.het_flag = "A" if kind == "nucleic" else "H"
            # Nucleic acids and sugars are one molecule a chain, every ligand is one of its own.
            residue.subchain = f"{kind[:3]}{name}" if kind in ("nucleic", "sugar") else f"x{group}"
            subchains[residue.subchain] = residue.entity_type
        residue.add_atom(_atom(hetero.atom_name[row], hetero.element[row], hetero.position[row].tolist(), 0.0))
    if chain is not None:
        chain.add_residue(residue)
    return list(chains.values())


def _check_pdb_limits(protein: Protein, per_residue: np.ndarray, path) -> None:
    hetero = protein.hetero.select(protein.hetero.kind != "water")
    atoms = len(protein.position) + len(hetero)
    chains = [*protein.chains, *np.unique(hetero.chain).tolist()]
    names = np.unique(np.concatenate([protein.residue_name, hetero.residue_name])).tolist()
    everything = np.concatenate([protein.position.ravel(), hetero.position.ravel()])
    low, high = float(everything.min(initial=0)), float(everything.max(initial=0))
    for what, fault, expected in (
        (
            "chain identifier too long",
            next((repr(name) for name in chains if len(name) > 1), None),
            "one character",
        ),
        ("residue name too long", next((repr(name) for name in names if len(name) > 3), None), "three characters"),
        ("too many atoms", atoms if atoms > _PDB_ATOMS else None, f"at most {_PDB_ATOMS:,}"),
        (
            "coordinate too large",
            f"{low:.3f} to {high:.3f}" if low <= -999.9995 or high >= 9999.9995 else None,
            "-999.999 to 9999.999",
        ),
        (
            "value too large for the B-factor column",
            f"{per_residue.min():.2f} to {per_residue.max():.2f}"
            if len(per_residue) and (per_residue.min() <= -99.995 or per_residue.max() >= 999.995)
            else None,
            "-99.99 to 999.99",
        ),
    ):
        if fault is not None:
            raise InputError(
                f"the PDB format cannot hold this: {what}",
                file=path,
                got=fault,
                expected=expected,
                do="Write .cif instead.",
            )


def _pdb_text(structure: gemmi.Structure, note: str) -> str:
    options = gemmi.PdbWriteOptions(minimal=True, cryst1_record=False)
    return f"REMARK  99 {MARK}. {note}".ljust(80) + "\n" + structure.make_pdb_string(options)


def _mmcif_text(structure: gemmi.Structure, note: str) -> str:
    groups = gemmi.MmcifOutputGroups(False)
    for name in ("atoms", "entity", "block_name", "group_pdb", "auth_all"):
        setattr(groups, name, True)
    document = structure.make_mmcif_document(groups)
    block = document.sole_block()
    block.set_pair("_software.pdbx_ordinal", "1")
    block.set_pair("_software.name", "plait")
    block.set_pair("_software.description", gemmi.cif.quote(f"{MARK}. {note}"))
    return document.as_string()


def _block_name(source: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in source) or "plait"


def _replace(path: Path, data: bytes) -> None:
    """Write beside the place and move there."""
    beside = None
    try:
        descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, path)
    except OSError as error:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise InputError("cannot be written", file=path, got=reason, do="Name a folder that can be written.") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
