"""Graphs of several proteins as one: which residues or atoms are nodes, and arrays one after the other."""

import numpy as np
import torch

from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.vocabulary import BACKBONE, ELEMENTS


def elements(protein: Protein) -> np.ndarray:
    """Index into `vocabulary.ELEMENTS` of each atom: int64 [A]."""
    return np.array([_ELEMENT.get(name, 0) for name in protein.element.tolist()], np.int64)


def hidden_residues(protein: Protein, masked) -> np.ndarray:
    """bool [R]: residues whose type is not to be seen, from bool [R], indices or None."""
    hidden = np.zeros(len(protein), bool)
    if masked is not None and len(masked):
        hidden[np.asarray(masked)] = True
    return hidden


def node_atoms(protein: Protein, level: str, element_column: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The atoms that are nodes, int64 [N], ascending.

    Parameters
    ----------
    level : str
        residue: the C-alpha of each residue that has one; atom: all heavy atoms.
    element_column : int64 [A]
        Negative for atoms that are no nodes at atom level.
    hidden : bool [R]
        Residues whose side chains are no nodes either, as they would tell the type.
    """
    if level == "atom":
        shown = ~hidden[protein.residue_of] | np.isin(protein.atom_name, BACKBONE)
        return np.flatnonzero((element_column >= 0) & shown)
    atom = np.flatnonzero(protein.atom_name == "CA")
    return atom[np.unique(protein.residue_of[atom], return_index=True)[1]]


def concatenated(graphs: list[dict], proteins, counted: dict[str, str]) -> dict[str, torch.Tensor | None]:
    """Arrays of the graphs by name, one after the other, and "node_offsets", "residue_offsets" and "atom_offsets"
    int64 [B + 1].

    Parameters
    ----------
    graphs : list of dict of str to array or None
        With "position" [N, 3] in each.
    proteins : list of Protein
    counted : dict of str to str
        Which arrays hold numbers of nodes, residues or atoms, which are to be counted through the batch.

    Raises
    ------
    InputError
        If there is no protein.
    """
    if len(proteins) == 0:
        raise InputError("no protein was given", expected="one or more")
    sizes = {
        "node": [len(graph["position"]) for graph in graphs],
        "residue": [len(protein) for protein in proteins],
        "atom": [len(protein.position) for protein in proteins],
    }
    offsets = {name: np.concatenate([[0], np.cumsum(size)]).astype(np.int64) for name, size in sizes.items()}
    joined = {f"{name}_offsets": torch.from_numpy(value) for name, value in offsets.items()}
    for name in graphs[0]:
        values = [graph[name] for graph in graphs]
        if values[0] is None:
            joined[name] = None
            continue
        if name in counted:
            values = [value + first for value, first in zip(values, offsets[counted[name]])]
        joined[name] = torch.from_numpy(np.concatenate(values))
    return joined


_ELEMENT = {name: index for index, name in enumerate(ELEMENTS)}
