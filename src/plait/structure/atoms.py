"""`AtomTable`: the atoms of one model as a file states them, the same from every back end."""

import dataclasses

import numpy as np

from plait.errors import InputError
from plait.structure.protein import Remark

POLYMER, UNSAID, APART = 1, 0, -1
"""What a file says about an atom: part of a polymer, nothing, or of no polymer (ligand, sugar, water)."""


@dataclasses.dataclass(frozen=True)
class AtomTable:
    """All atoms of one model in file order, nothing mapped or left out yet. N atoms.

    Attributes
    ----------
    position : float64 [N, 3], angstrom; NaN where the file has none
    atom_name, residue_name, chain, label_chain : S8 [N]
    number : int32 [N], author's
    insertion_code, altloc : uint8 [N], a character code; 0 where there is none
    element : S2 [N], upper case
    occupancy, b_factor : float32 [N]
    hetatm : bool [N]
    polymer : int8 [N], `POLYMER`, `UNSAID` or `APART`
    sugar : bool [N]
        The file says that the atom belongs to a branched sugar.
    models : int
        How many models the file has.
    predicted_by : str
        The program that the file names as the source of a predicted model; empty if none.
    experiment : str
        The experimental method that the file names; empty if none.
    remarks : tuple of Remark
    """

    position: np.ndarray
    atom_name: np.ndarray
    residue_name: np.ndarray
    chain: np.ndarray
    label_chain: np.ndarray
    number: np.ndarray
    insertion_code: np.ndarray
    altloc: np.ndarray
    element: np.ndarray
    occupancy: np.ndarray
    b_factor: np.ndarray
    hetatm: np.ndarray
    polymer: np.ndarray
    sugar: np.ndarray
    models: int = 1
    predicted_by: str = ""
    experiment: str = ""
    remarks: tuple[Remark, ...] = ()

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index: np.ndarray) -> "AtomTable":
        """The atoms at `index` (a mask or an order)."""
        index = np.flatnonzero(index) if index.dtype == bool else index  # several times faster over many arrays
        arrays = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return dataclasses.replace(
            self, **{name: value[index] for name, value in arrays.items() if isinstance(value, np.ndarray)}
        )


def check_names(table: AtomTable, file) -> None:
    """Raise InputError if a name holds anything but plain ASCII characters: the file is damaged."""
    for field in ("atom_name", "residue_name", "chain", "label_chain"):
        column = getattr(table, field)
        characters = column.view(np.uint8).reshape(len(column), -1)
        if characters.size and (characters.max() > 126 or ((characters < 32) & (characters > 0)).any()):
            row = int(np.argmax(((characters > 126) | ((characters < 32) & (characters > 0))).any(axis=1)))
            raise _damaged(field.replace("_", " "), repr(column[row]), row, table, file)
    for field in ("insertion_code", "altloc"):
        column = getattr(table, field)
        if len(column) and column.max() > 126:
            row = int(np.argmax(column > 126))
            raise _damaged(field.replace("_", " "), repr(chr(column[row])), row, table, file)


def _damaged(what: str, got: str, row: int, table: AtomTable, file) -> InputError:
    return InputError(
        f"{what} is not plain text",
        file=file,
        place=f"atom {row + 1} of the model (residue {table.number[row]})",
        got=got,
        expected="printable ASCII characters",
        do="Get the file again.",
    )


def missing_model(file, model: int, models: int) -> InputError:
    """The error for a model that the file does not have."""
    return InputError(
        "no such model", file=file, got=f"model {model}", expected=f"1 to {models}", do="Models are counted from 1."
    )


def model_read(model: int, models: int) -> Remark:
    """The remark that one of several models was read."""
    return Remark("model", "", f"model {model} of {models} read")
