"""PDB and mmCIF text to `AtomTable` with gemmi, and gemmi's table of residues."""

import dataclasses
import re
from functools import lru_cache

import gemmi
import numpy as np

from plait.errors import InputError
from plait.structure.atoms import APART, POLYMER, UNSAID, AtomTable, missing_model, model_read
from plait.structure.pdb_text import inspect_pdb
from plait.structure.protein import Remark
from plait.structure.vocabulary import (
    CHROMOPHORES,
    MODIFIED,
    NUCLEOTIDES,
    RESIDUES,
    SUGARS,
    THREE_LETTER,
    UNKNOWN,
    WATERS,
)

_POLYMER_OF_ENTITY = np.array([UNSAID, POLYMER, APART, APART, APART], np.int8)
_BRANCHED = 3
_PLACE_IN_MESSAGE = re.compile(r"^(?:string|[^:]*):(\d+):\d+\(\d+\):\s*(.*)$", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class ResidueKind:
    """What a residue name stands for.

    Attributes
    ----------
    kind : str, one of "amino acid", "nucleic", "water", "sugar", "other"
    residue_type : int
        Index into `vocabulary.RESIDUES`, of the parent if the residue is modified.
    standard : bool
        One of the twenty amino acids, or UNK.
    """

    kind: str
    residue_type: int
    standard: bool


@lru_cache(maxsize=4096)
def residue_kind(name: str) -> ResidueKind:
    """Kind and parent of a residue name, from plait's own table first and then gemmi's."""
    if name in THREE_LETTER:
        return ResidueKind("amino acid", THREE_LETTER.index(name), True)
    if name in MODIFIED:
        return ResidueKind("amino acid", THREE_LETTER.index(MODIFIED[name]), False)
    if name in CHROMOPHORES:
        return ResidueKind("amino acid", UNKNOWN, False)
    if name in SUGARS:
        return ResidueKind("sugar", UNKNOWN, False)
    if name in WATERS:
        return ResidueKind("water", UNKNOWN, False)
    if name in NUCLEOTIDES:
        return ResidueKind("nucleic", UNKNOWN, False)
    info = gemmi.find_tabulated_residue(name)
    if not info.found():
        return ResidueKind("other", UNKNOWN, False)
    if info.is_amino_acid():
        letter = info.one_letter_code.upper()
        return ResidueKind("amino acid", RESIDUES.index(letter) if letter in RESIDUES else UNKNOWN, False)
    if info.is_nucleic_acid():
        return ResidueKind("nucleic", UNKNOWN, False)
    if info.is_water():
        return ResidueKind("water", UNKNOWN, False)
    if info.kind in (gemmi.ResidueKind.PYR, gemmi.ResidueKind.KET):
        return ResidueKind("sugar", UNKNOWN, False)
    return ResidueKind("other", UNKNOWN, False)


def read_pdb(data: bytes, file, model: int) -> AtomTable:
    """The atoms of one model of a PDB file.

    Raises
    ------
    InputError
        The file has no such model, or a coordinate line that cannot be read.
    """
    text = inspect_pdb(data, file, model)
    try:
        structure = gemmi.read_pdb_string(text.atoms, split_chain_on_ter=True)
    except (ValueError, RuntimeError, IndexError) as error:
        raise _translated(error, file, "PDB", text.first_line - 1) from None
    table = _from_flat(structure, text.models, file)
    # gemmi says what is polymer only where it merges the parts of a chain, which would mix copies of a chain up.
    polymer = np.zeros(len(table), np.int8)
    for chain, count in text.atoms_before_ter.items():
        polymer[np.flatnonzero(table.chain == chain)[:count]] = POLYMER
    return dataclasses.replace(
        table,
        polymer=polymer,
        label_chain=table.chain,
        predicted_by=text.predicted_by,
        experiment=text.experiment,
        remarks=text.remarks,
    )


def read_mmcif(data: bytes, file, model: int) -> AtomTable:
    """The atoms of one model of a text mmCIF file.

    Raises
    ------
    InputError
        The text is not CIF, has no atoms with Cartesian coordinates, or no such model.
    """
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:  # an author's name in Latin-1, or a damaged file: gemmi would stumble later
            data = data.decode("latin-1").encode()
    try:
        document = gemmi.cif.read_string(data)
    except (ValueError, RuntimeError, IndexError) as error:
        raise _translated(error, file, "mmCIF") from None
    blocks = [
        block for block in document if block.find_loop("_atom_site.Cartn_x") or block.find_pair("_atom_site.Cartn_x")
    ]
    if not blocks:
        raise InputError(
            "no atoms",
            file=file,
            place="all blocks",
            got=_content_of(document),
            expected="the category _atom_site with Cartn_x, Cartn_y, Cartn_z",
        )
    block = blocks[0]
    try:
        structure = gemmi.make_structure_from_block(block)
    except (ValueError, RuntimeError, IndexError) as error:
        raise _translated(error, file, "mmCIF") from None
    models = len(structure)
    if not 1 <= model <= models:
        raise missing_model(file, model, models)
    if models > 1:
        for index in reversed(range(models)):
            if index != model - 1:
                del structure[index]
    remarks = (model_read(model, models),) if models > 1 else ()
    if len(blocks) > 1:
        names = ", ".join(other.name for other in blocks[1:])
        remarks += (Remark("block", "", f"block {block.name} read; further blocks with atoms left out: {names}"),)
    table = _from_flat(structure, models, file)
    if not np.isfinite(table.position).all():
        _check_numbers(block, file)
    return dataclasses.replace(
        table,
        predicted_by=_predictor(block),
        experiment=_experiment(block),
        remarks=remarks,
    )


def _check_numbers(block: gemmi.cif.Block, file) -> None:
    """Refuse coordinates that are neither numbers nor the CIF signs for absent ones; gemmi reads both as NaN."""
    for axis in "xyz":
        for row, value in enumerate(block.find_values(f"_atom_site.Cartn_{axis}")):
            absent = gemmi.cif.is_null(value) or value.lower().lstrip("+-") in ("nan", "inf")
            if not absent and np.isnan(gemmi.cif.as_number(value)):
                raise InputError(
                    f"{axis} coordinate is not a number",
                    file=file,
                    place=f"_atom_site, row {row + 1}",
                    got=repr(value),
                    expected="a number",
                )


def _from_flat(structure: gemmi.Structure, models: int, file) -> AtomTable:
    flat, long_names = _flattened(structure, file)
    icode = flat.icodes.view(np.uint8)
    chain, label = _names(flat.chain_ids), _names(flat.subchains)
    if long_names:
        chain, label = (
            np.array([long_names.get(name, name) for name in column.tolist()], "S") for column in (chain, label)
        )
    return AtomTable(
        position=np.array(flat.pos),
        atom_name=_names(flat.atom_names),
        residue_name=_names(flat.residue_names),
        chain=chain,
        label_chain=np.where(label == b"", chain, label),
        number=np.array(flat.resnums, np.int32),
        insertion_code=np.where(icode == 32, 0, icode).astype(np.uint8),
        altloc=np.array(flat.altlocs).view(np.uint8),
        element=_ELEMENT_NAME[flat.elements],
        occupancy=np.array(flat.occ),
        b_factor=np.array(flat.b_iso),
        hetatm=flat.het_flags == ord("H"),
        polymer=_POLYMER_OF_ENTITY[flat.entity_type],
        sugar=flat.entity_type == _BRANCHED,
        models=models,
    )


def _flattened(structure: gemmi.Structure, file) -> tuple[gemmi.FlatStructure, dict[bytes, bytes]]:
    """The structure as arrays, whose names have at most 7 characters; longer chain names are given short ones."""
    try:
        return gemmi.FlatStructure(structure), {}
    except RuntimeError:
        short: dict[str, str] = {}
        for chain in structure[0]:
            for residue in chain:
                for field in ("subchain", "entity_id"):
                    name = getattr(residue, field)
                    if len(name) > 7:
                        setattr(residue, field, short.setdefault(name, f"~{len(short)}"))
            if len(chain.name) > 7:
                chain.name = short.setdefault(chain.name, f"~{len(short)}")
    try:
        return gemmi.FlatStructure(structure), {code.encode(): name.encode() for name, code in short.items()}
    except RuntimeError as error:
        raise InputError("name too long", file=file, got=str(error), expected="at most 7 characters") from None


def _names(characters: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(characters).view("S8").reshape(-1)


def _element_names() -> np.ndarray:
    names = [b""] * 256
    for number in range(120):
        try:
            names[number] = gemmi.Element(number).name.upper().encode()
        except (ValueError, IndexError):
            break
    deuterium = gemmi.Element("D")
    table = np.array(names, dtype="S2")
    table[_index_of(deuterium)] = b"D"
    return table


def _index_of(element: gemmi.Element) -> int:
    """The number by which `FlatStructure.elements` calls an element; deuterium's is not its atomic number."""
    structure = gemmi.Structure()
    model = structure.add_model(gemmi.Model(1)) or structure[0]
    chain = model.add_chain(gemmi.Chain("A"))
    residue = chain.add_residue(gemmi.Residue())
    atom = gemmi.Atom()
    atom.element = element
    residue.add_atom(atom)
    return int(gemmi.FlatStructure(structure).elements[0])


_ELEMENT_NAME = _element_names()


def _translated(error: Exception, file, kind: str, lines_before: int = 0) -> InputError:
    """gemmi's complaint as an InputError, with the line in the file where gemmi names one."""
    message, place = str(error), None
    found = _PLACE_IN_MESSAGE.match(message)
    if found:
        place, message = f"line {found[1]}", found[2]
    else:
        line = re.search(r"(?:in )?line (\d+):? ?", message)
        if line:
            place = f"line {int(line[1]) + lines_before}"
            message = message.replace(line[0], "").replace("Problem ", "")
    return InputError(
        f"not readable as {kind}",
        file=file,
        place=place,
        got=message.strip() or type(error).__name__,
        expected=f"a complete and valid {kind} file",
        do="Get the file again.",
    )


def _content_of(document: gemmi.cif.Document) -> str:
    """What a CIF document without atoms seems to be."""
    categories = {name for block in document for name in block.get_mmcif_category_names()}
    if "_refln." in categories:
        return "structure factors"
    if "_chem_comp_atom." in categories or "_chem_comp_atom" in categories:
        return "the definition of a chemical component"
    for block in document:
        if block.find_loop("_atom_site_fract_x") or block.find_pair("_atom_site_fract_x"):
            return "a small molecule with fractional coordinates"
        if block.find_loop("_atom_site.fract_x"):
            return "fractional coordinates"
    return f"{len(document)} data block(s) without it"


def _ours(block: gemmi.cif.Block) -> str:
    """What plait wrote into the file about itself, or an empty string."""
    if "plait" not in block.find_values("_software.name"):
        return ""
    return gemmi.cif.as_string(block.find_value("_software.description") or "") or "plait"


def _experiment(block: gemmi.cif.Block) -> str:
    if _ours(block):
        return "unknown (written by plait)"
    return "; ".join(filter(None, map(gemmi.cif.as_string, block.find_values("_exptl.method"))))


def _predictor(block: gemmi.cif.Block) -> str:
    """The program that a predicted model's file names, or an empty string."""
    if _ours(block):
        return "a program before plait wrote it" if "PLDDT" in _ours(block) else ""
    databases = {gemmi.cif.as_string(value) for value in block.find_values("_database_2.database_id")}
    if any(name.lower().startswith("alphafold") for name in databases):
        return "AlphaFold"
    if block.find_values("_ma_qa_metric_local.metric_value"):
        for value in block.find_values("_software.name"):
            name = gemmi.cif.as_string(value)
            if "fold" in name.lower():
                return name
        return "a modelling program (ma_qa_metric_local)"
    return ""
