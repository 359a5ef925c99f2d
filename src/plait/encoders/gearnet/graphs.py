"""From proteins to what a GearNet reads: nodes, edges and their features, as small integers and distances.

Source: specs/siamdiff.md, sections 1 and 2.
"""

import dataclasses

import numpy as np
import torch

from plait.encoders.blocks.graph_batches import concatenated, elements, hidden_residues, node_atoms
from plait.encoders.blocks.residue_atom_graph import edges, sequence_places
from plait.encoders.blocks.torchdrug import EDGE_TYPE, ELEMENT_COLUMNS, RESIDUE_COLUMN
from plait.encoders.gearnet.configuration import SEQUENCE_DISTANCES, GearNetConfig
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES


@dataclasses.dataclass
class GearNetBatch:
    """Graphs of some proteins, one after the other.

    Attributes
    ----------
    position : float64 [N, 3], angstrom
    residue : int64 [N]
        Residue of the batch that a node belongs to.
    atom : int64 [N] or None
        Atom of the batch that a node is; None where nodes are residues.
    element_column : int64 [N] or None
        Column of a node's feature that is one, counted from the first element column; None where nodes are residues.
    residue_column : int64 [N]
        The same, counted from the first residue column; -1 for none.
    source, target, relation : int64 [E]
        Edges, protein after protein.
    source_type, target_type : int64 [E]
        Residue types that the feature of an edge names; -1 for none.
    sequence_distance : int64 [E]
        At most `SEQUENCE_DISTANCES` - 1, which stands for this and more.
    distance : float64 [E], angstrom
    node_offsets, residue_offsets : int64 [B + 1]
        Protein b has the nodes `node_offsets[b] : node_offsets[b + 1]`, and so on.
    atom_offsets : int64 [B + 1]
        The same for all atoms of the proteins, also those that are no nodes.
    """

    position: torch.Tensor
    residue: torch.Tensor
    atom: torch.Tensor | None
    element_column: torch.Tensor | None
    residue_column: torch.Tensor
    source: torch.Tensor
    target: torch.Tensor
    relation: torch.Tensor
    source_type: torch.Tensor
    target_type: torch.Tensor
    sequence_distance: torch.Tensor
    distance: torch.Tensor
    node_offsets: torch.Tensor
    residue_offsets: torch.Tensor
    atom_offsets: torch.Tensor

    def to(self, device) -> "GearNetBatch":
        moved = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return GearNetBatch(**{name: value if value is None else value.to(device) for name, value in moved.items()})

    def with_positions(self, position: torch.Tensor) -> "GearNetBatch":
        """The same graph with its nodes elsewhere [N, 3]: other distances and angles, the same edges."""
        position = position.to(self.position)
        distance = (position[self.source] - position[self.target]).norm(dim=-1)
        return dataclasses.replace(self, position=position, distance=distance)

    def node_feature(self, config: GearNetConfig, dtype=torch.float32) -> torch.Tensor:
        """[N, node_input]: element, residue, one-hot each."""
        parts = [] if self.element_column is None else [_one_hot(self.element_column, config.element_columns)]
        return torch.cat([*parts, _one_hot(self.residue_column, len(RESIDUES))], dim=1).to(dtype)

    def edge_feature(self, config: GearNetConfig, dtype=torch.float32) -> torch.Tensor:
        """[E, edge_input]: type at source and target, relation and distance in sequence, one-hot each, distance."""
        parts = [
            _one_hot(self.source_type, config.edge_types),
            _one_hot(self.target_type, config.edge_types),
            _one_hot(self.relation, config.rules.relations),
            _one_hot(self.sequence_distance, SEQUENCE_DISTANCES),
        ]
        return torch.cat([*(part.to(dtype) for part in parts), self.distance[:, None].to(dtype)], dim=1)


def _one_hot(column: torch.Tensor, width: int) -> torch.Tensor:
    """bool [n, width]; a row of zeros for -1."""
    return column[:, None] == torch.arange(width, device=column.device)


def prepare(config: GearNetConfig, proteins, *, masked=None) -> GearNetBatch:
    """The batch of some proteins.

    Nodes are C-alphas or all heavy atoms; residues without a node get none. With `compat`, atoms of elements that the
    published models do not know (selenium above all) are no nodes either.

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
    return GearNetBatch(**concatenated(graphs, proteins, counted))


def _graph(config: GearNetConfig, protein: Protein, masked) -> dict[str, np.ndarray | None]:
    """The fields of a `GearNetBatch` for one protein, without offsets."""
    element = elements(protein)
    element = ELEMENT_COLUMNS["atomic number"][element] if config.compat else element
    hidden = hidden_residues(protein, masked)
    atom = node_atoms(protein, config.level, element, hidden)
    residue = protein.residue_of[atom].astype(np.int64)
    if config.compat:
        place = np.unique(residue, return_inverse=True)[1]
    else:
        place = sequence_places(protein)[residue]
    edge, relation = edges(protein.position[atom], place, protein.chain[residue], config.rules)
    source, target = edge.T
    position = protein.position[atom].astype(np.float64)
    kind = protein.residue_type.astype(np.int64)[residue]
    hidden = hidden[residue]
    edge_type = np.where(hidden, 0, EDGE_TYPE[kind]) if config.compat else np.where(hidden, -1, kind)
    return {
        "position": position,
        "residue": residue,
        "atom": atom if config.level == "atom" else None,
        "element_column": element[atom] if config.level == "atom" else None,
        "residue_column": np.where(hidden, -1, RESIDUE_COLUMN[kind] if config.compat else kind),
        "source": source,
        "target": target,
        "relation": relation,
        "source_type": edge_type[source],
        "target_type": edge_type[target],
        "sequence_distance": np.minimum(np.abs(place[source] - place[target]), SEQUENCE_DISTANCES - 1),
        "distance": np.linalg.norm(position[source] - position[target], axis=1),
    }
