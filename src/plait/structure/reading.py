"""Structure files to `Protein`."""

import os
from pathlib import Path

import numpy as np

from plait.errors import InputError
from plait.structure.assembly import assemble
from plait.structure.atoms import check_names
from plait.structure.contents import detect_format, read_bytes, unpack
from plait.structure.protein import Protein
from plait.structure.validation import validate


def read_structure(
    source: str | os.PathLike | bytes, *, chain: str | None = None, model: int = 1, name: str | None = None
) -> Protein:
    """The protein of a structure file: PDB, mmCIF or BinaryCIF, plain or gzipped. The content decides the format.

    Parameters
    ----------
    source : path, or the content itself as bytes
    chain : str, optional
        Keep one chain only, by its author's identifier or else its label (mmCIF) identifier; "" is the blank one.
    model : int
        Which model, counted from 1.
    name : str, optional
        What to call the structure in `Protein.source`; the file's name if not given.

    Returns
    -------
    Protein
        `remarks` lists whatever was mapped, chosen or left out.

    Raises
    ------
    InputError
        The file cannot be read, has no such model or chain, or no usable protein.
    """
    from plait.structure.reading_biotite import read_bcif
    from plait.structure.reading_gemmi import read_mmcif, read_pdb, residue_kind

    if isinstance(source, (bytes, bytearray, memoryview)):
        file = name or "structure given as bytes"
        data = unpack(bytes(source), file)
    elif isinstance(source, (str, os.PathLike)):
        file = Path(source)
        data = read_bytes(file)
    else:
        raise InputError("not a structure", got=type(source).__name__, expected="a path or bytes")
    if isinstance(model, bool) or not isinstance(model, (int, np.integer)):
        raise InputError("not a model number", file=file, got=repr(model), expected="a whole number from 1")
    read = {"pdb": read_pdb, "mmcif": read_mmcif, "bcif": read_bcif}[detect_format(data, file)]
    table = read(data, file, int(model))
    check_names(table, file)
    protein = assemble(table, residue_kind, chain=chain, file=file)
    protein = protein.replace(source=name or getattr(file, "name", str(file)))
    validate(protein, file=file)
    return protein
