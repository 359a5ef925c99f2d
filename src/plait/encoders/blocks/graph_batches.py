"""Graphs of several proteins as one: which residues or atoms are nodes, and arrays one after the other."""

import dataclasses

import numpy as np
import torch

from plait.encoders.blocks.graph_changes import changed, changes_of
from plait.errors import InputError
from plait.structure.protein import Protein
from plait.structure.vocabulary import BACKBONE, ELEMENTS, RESIDUES

_ELEMENT = {name: index for index, name in enumerate(ELEMENTS)}
_EVERY_ELEMENT = np.arange(len(ELEMENTS))
_EVERY_RESIDUE = np.arange(len(RESIDUES))


@dataclasses.dataclass
class GraphBatch:
    """Graphs of some proteins, one after the other.

    Attributes
    ----------
    position : float64 [N, 3], angstrom
    residue : int64 [N]
        Residue of the batch that a node belongs to.
    atom : int64 [N] or None
        Atom of the batch that a node is; None where nodes are residues.
    element_column : int64 [N] or None
        Place of an atom's element in the vocabulary; None where nodes are residues.
    residue_column : int64 [N]
        Place of the residue's type in the vocabulary; -1 where it is hidden.
    source, target : int64 [E]
        Edges, protein after protein.
    node_offsets, residue_offsets, atom_offsets : int64 [B + 1]
        Protein b has the nodes `node_offsets[b] : node_offsets[b + 1]`, and so on; atoms are all of the proteins,
        also those that are no nodes.
    """

    position: torch.Tensor
    residue: torch.Tensor
    atom: torch.Tensor | None
    element_column: torch.Tensor | None
    residue_column: torch.Tensor
    source: torch.Tensor
    target: torch.Tensor
    node_offsets: torch.Tensor
    residue_offsets: torch.Tensor
    atom_offsets: torch.Tensor

    def to(self, device) -> "GraphBatch":
        moved = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return type(self)(**{name: value if value is None else value.to(device) for name, value in moved.items()})

    def with_positions(self, position: torch.Tensor) -> "GraphBatch":
        """The same graph with its nodes elsewhere [N, 3]: other distances, vectors and angles along the same edges."""
        return dataclasses.replace(self, position=position.to(self.position))


def nodes(
    protein: Protein, level: str, masked=None, *, element_column=_EVERY_ELEMENT, residue_column=_EVERY_RESIDUE
) -> dict[str, np.ndarray | None]:
    """The fields of a `GraphBatch` for the nodes of one protein: "position" to "residue_column".

    Parameters
    ----------
    level : str
        residue: the nodes are the C-alphas, of each residue that has one; atom: all heavy atoms.
    masked : bool [R] or indices or None
        Residues whose type is hidden; at atom level their side chains, which would tell it, are no nodes.
    element_column : int64 [elements]
        Place of each of our elements in the vocabulary; at atom level atoms with a negative one are no nodes.
    residue_column : int64 [residue types]
        Place of each of our residue types in the vocabulary.
    """
    hidden = np.zeros(len(protein), bool)
    if masked is not None and len(masked):
        hidden[np.asarray(masked)] = True
    element = element_column[[_ELEMENT.get(name, 0) for name in protein.element.tolist()]]
    if level == "atom":
        shown = ~hidden[protein.residue_of] | np.isin(protein.atom_name, BACKBONE)
        atom = np.flatnonzero((element >= 0) & shown)
    else:
        atom = np.flatnonzero(protein.atom_name == "CA")
        atom = atom[np.unique(protein.residue_of[atom], return_index=True)[1]]
    residue = protein.residue_of[atom].astype(np.int64)
    return {
        "position": protein.position[atom].astype(np.float64),
        "residue": residue,
        "atom": atom if level == "atom" else None,
        "element_column": element[atom] if level == "atom" else None,
        "residue_column": np.where(hidden[residue], -1, residue_column[protein.residue_type[residue]]),
    }


def concatenated(graph, proteins, masked=None, extras=None) -> dict[str, torch.Tensor | None]:
    """The fields of a `GraphBatch`, or one with more of them.

    Parameters
    ----------
    graph : function of a protein and its `masked`
        Gives the fields for one protein, but for the offsets, as arrays or None.
    proteins : sequence of Protein
    masked : sequence of (bool [R] or indices or None), optional
        Residues of each protein whose type is hidden: they have no residue column, and at atom level no side chain.
    extras : dict of str to sequence, optional
        What an objective has to say of the graphs, among inputs for other families; see `graph_changes`.

    Raises
    ------
    InputError
        If there is no protein.
    """
    if len(proteins) == 0:
        raise InputError("no protein was given", expected="one or more")
    masked = [None] * len(proteins) if masked is None else masked
    changes = [changes_of(extras or {}, number) for number in range(len(proteins))]
    graphs = [changed(graph, *given) for given in zip(proteins, masked, changes, strict=True)]
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
        if name in _COUNTED:
            values = [value + first for value, first in zip(values, offsets[_COUNTED[name]])]
        joined[name] = torch.from_numpy(np.concatenate(values))
    return joined


_COUNTED = {"source": "node", "target": "node", "residue": "residue", "atom": "atom"}
"""What the numbers in an array count, from the first of the protein in a graph, of the batch in a batch."""
