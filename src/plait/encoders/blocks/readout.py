"""From vectors of nodes to vectors of residues, atoms and proteins."""

import torch

from plait.encoders.base import Representation
from plait.encoders.blocks.graph_batches import GraphBatch


def representation(batch: GraphBatch, node: torch.Tensor, readout: str = "mean") -> Representation:
    """What an encoder answers, from the vectors of its nodes.

    A residue has the vector of its node, or the mean over its atoms that are nodes; residues and atoms that are no
    nodes have zeros. A protein has the mean over its nodes, or their sum.

    Parameters
    ----------
    batch : GraphBatch
    node : float [N, d]
    readout : str
        mean or sum.
    """
    proteins = torch.arange(len(batch.node_offsets) - 1, device=node.device)
    protein_of = proteins.repeat_interleave(batch.node_offsets.diff())
    protein = node.new_zeros(len(proteins), node.shape[1]).index_add(0, protein_of, node)
    if readout == "mean":
        protein = protein / batch.node_offsets.diff().clamp(min=1)[:, None]
    residue = node.new_zeros(int(batch.residue_offsets[-1]), node.shape[1]).index_add(0, batch.residue, node)
    if batch.atom is None:
        return Representation(residue, protein, batch.residue_offsets)
    count = batch.residue.bincount(minlength=len(residue)).clamp(min=1)
    atom = node.new_zeros(int(batch.atom_offsets[-1]), node.shape[1]).index_copy(0, batch.atom, node)
    return Representation(residue / count[:, None], protein, batch.residue_offsets, atom, batch.atom_offsets)
