"""From proteins to what a GVP network reads: nodes and directed edges."""

import functools

import numpy as np

from plait.encoders.blocks.graph_batches import GraphBatch, concatenated, nodes
from plait.encoders.blocks.residue_atom_graph import edges
from plait.encoders.blocks.torchdrug import ELEMENT_COLUMNS, RESIDUE_COLUMN
from plait.encoders.gvp.configuration import GvpConfig
from plait.structure.protein import Protein
from plait.structure.vocabulary import UNKNOWN

ATOM3D_RESIDUE_COLUMN = np.where(np.arange(len(RESIDUE_COLUMN)) == UNKNOWN, 0, RESIDUE_COLUMN)
"""The published Atom3D reader renames an unknown residue to glycine."""


def prepare(config: GvpConfig, proteins, *, masked=None, **extras) -> GraphBatch:
    """The batch of some proteins; arguments and errors are those of `blocks.graph_batches.concatenated`.

    Nodes are C-alphas or all heavy atoms; residues without a node get none. In a published vocabulary, atoms of
    elements that it does not have are no nodes either.
    """
    return GraphBatch(**concatenated(functools.partial(_graph, config), proteins, masked, extras))


def _graph(config: GvpConfig, protein: Protein, masked) -> dict[str, np.ndarray | None]:
    """The fields of a `GraphBatch` for one protein, without offsets."""
    tables = {}
    if config.vocabulary != "plait":
        residue_column = ATOM3D_RESIDUE_COLUMN if config.vocabulary == "atom3d" else RESIDUE_COLUMN
        tables = {"element_column": ELEMENT_COLUMNS[config.vocabulary], "residue_column": residue_column}
    graph = nodes(protein, config.level, masked, **tables)
    residue = graph["residue"]
    edge, _ = edges(graph["position"], residue, protein.chain[residue], config.rules)
    return {**graph, "source": edge[:, 0], "target": edge[:, 1]}
