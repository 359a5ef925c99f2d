"""From proteins to what a GVP network reads: nodes and directed edges."""

import dataclasses

import numpy as np
import torch

from plait.encoders.blocks.graph_batches import concatenated, elements, hidden_residues, node_atoms
from plait.encoders.blocks.residue_atom_graph import edges
from plait.encoders.blocks.torchdrug import ELEMENT_COLUMNS, RESIDUE_COLUMN
from plait.encoders.gvp.configuration import GvpConfig
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN


@dataclasses.dataclass
class GvpBatch:
    """Graphs of some proteins, one after the other.

    Attributes
    ----------
    position : float64 [N, 3], angstrom
    residue : int64 [N]
        Residue of the batch that a node belongs to.
    atom : int64 [N] or None
        Atom of the batch that a node is; None where nodes are residues.
    element_column : int64 [N] or None
        Row of the table of elements; None where nodes are residues.
    residue_column : int64 [N]
        Column of the residue's type; -1 for none.
    source, target : int64 [E]
        Edges, protein after protein.
    node_offsets, residue_offsets, atom_offsets : int64 [B + 1]
        Protein b has the nodes `node_offsets[b] : node_offsets[b + 1]`, and so on.
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

    def to(self, device) -> "GvpBatch":
        moved = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return GvpBatch(**{name: value if value is None else value.to(device) for name, value in moved.items()})

    def with_positions(self, position: torch.Tensor) -> "GvpBatch":
        """The same graph with its nodes elsewhere [N, 3]: other vectors along the same edges."""
        return dataclasses.replace(self, position=position.to(self.position))


def prepare(config: GvpConfig, proteins, *, masked=None) -> GvpBatch:
    """The batch of some proteins.

    Nodes are C-alphas or all heavy atoms; residues without a node get none. In a published vocabulary, atoms of
    elements that it does not have are no nodes either.

    Parameters
    ----------
    masked : sequence of (bool [R] or indices or None), optional
        Residues of each protein whose type is hidden: they have no residue column, and at atom level no side chain.

    Raises
    ------
    InputError
        If there is no protein.
    """
    masked = [None] * len(proteins) if masked is None else masked
    graphs = [_graph(config, *given) for given in zip(proteins, masked, strict=True)]
    counted = {"source": "node", "target": "node", "residue": "residue", "atom": "atom"}
    return GvpBatch(**concatenated(graphs, proteins, counted))


def _graph(config: GvpConfig, protein: Protein, masked) -> dict[str, np.ndarray | None]:
    """The fields of a `GvpBatch` for one protein, without offsets."""
    element = elements(protein)
    if config.vocabulary != "plait":
        element = ELEMENT_COLUMNS[config.vocabulary][element]
    hidden = hidden_residues(protein, masked)
    atom = node_atoms(protein, config.level, element, hidden)
    residue = protein.residue_of[atom].astype(np.int64)
    edge, _ = edges(protein.position[atom], residue, protein.chain[residue], config.rules)
    column = _residue_column(config.vocabulary, protein.residue_type.astype(np.int64)[residue])
    return {
        "position": protein.position[atom].astype(np.float64),
        "residue": residue,
        "atom": atom if config.level == "atom" else None,
        "element_column": element[atom] if config.level == "atom" else None,
        "residue_column": np.where(hidden[residue], -1, column),
        "source": edge[:, 0],
        "target": edge[:, 1],
    }


def _residue_column(vocabulary: str, kind: np.ndarray) -> np.ndarray:
    if vocabulary == "plait":
        return kind
    column = RESIDUE_COLUMN[kind]
    # the published Atom3D reader renames an unknown residue to glycine
    return np.where(kind == UNKNOWN, 0, column) if vocabulary == "atom3d" else column
