"""From proteins to what a GearNet reads: nodes, edges and their features, as small integers and distances.

Source: specs/siamdiff.md, sections 1 and 2.
"""

import dataclasses
import functools

import numpy as np
import torch

from plait.encoders.blocks.graph_batches import GraphBatch, concatenated, nodes
from plait.encoders.blocks.residue_atom_graph import edges, sequence_places
from plait.encoders.blocks.torchdrug import EDGE_TYPE, ELEMENT_COLUMNS, RESIDUE_COLUMN
from plait.encoders.gearnet.configuration import SEQUENCE_DISTANCES, GearNetConfig
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES


@dataclasses.dataclass
class GearNetBatch(GraphBatch):
    """Graphs with relations, and what the features of edges name.

    Attributes
    ----------
    relation : int64 [E]
    source_type, target_type : int64 [E]
        Residue types; -1 for none.
    sequence_distance : int64 [E]
        At most `SEQUENCE_DISTANCES` - 1, which stands for this and more.
    """

    relation: torch.Tensor
    source_type: torch.Tensor
    target_type: torch.Tensor
    sequence_distance: torch.Tensor

    @property
    def distance(self) -> torch.Tensor:
        """Length of each edge: float64 [E], angstrom."""
        return (self.position[self.source] - self.position[self.target]).norm(dim=-1)

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


def prepare(config: GearNetConfig, proteins, *, masked=None, **extras) -> GearNetBatch:
    """The batch of some proteins; arguments and errors are those of `blocks.graph_batches.concatenated`.

    Nodes are C-alphas or all heavy atoms; residues without a node get none. With `compat`, atoms of elements that the
    published models do not know (selenium above all) are no nodes either.
    """
    return GearNetBatch(**concatenated(functools.partial(_graph, config), proteins, masked, extras))


def _graph(config: GearNetConfig, protein: Protein, masked) -> dict[str, np.ndarray | None]:
    """The fields of a `GearNetBatch` for one protein, without offsets."""
    if config.compat:
        tables = {"element_column": ELEMENT_COLUMNS["atomic number"], "residue_column": RESIDUE_COLUMN}
    else:
        tables = {}
    graph = nodes(protein, config.level, masked, **tables)
    residue = graph["residue"]
    if config.compat:
        place = np.unique(residue, return_inverse=True)[1]
        shown = graph["residue_column"] >= 0
        edge_type = np.where(shown, EDGE_TYPE[protein.residue_type[residue]], 0)
    else:
        place, edge_type = sequence_places(protein)[residue], graph["residue_column"]
    edge, relation = edges(graph["position"], place, protein.chain[residue], config.rules)
    source, target = edge.T
    return {
        **graph,
        "source": source,
        "target": target,
        "relation": relation,
        "source_type": edge_type[source],
        "target_type": edge_type[target],
        "sequence_distance": np.minimum(np.abs(place[source] - place[target]), SEQUENCE_DISTANCES - 1),
    }
