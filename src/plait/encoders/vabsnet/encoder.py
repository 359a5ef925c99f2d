"""`VabsnetEncoder`: Vabs-Net behind the interface that all encoders share."""

import dataclasses

import torch
from torch import nn

from plait.data.site_labels import ATOMS as ATOM_SITES
from plait.encoders.base import Encoder, ProteinHead, Representation, is_protein_head
from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.features import VabsnetBatch, prepare
from plait.encoders.vabsnet.heads import displacements, make_head
from plait.encoders.vabsnet.modeling import VabsnetModel, VabsnetOutput
from plait.encoders.vabsnet.published import RESIDUE_TYPES, TO_PUBLISHED
from plait.references import VABSNET
from plait.registry import register


@dataclasses.dataclass
class VabsnetRepresentation(Representation):
    """A `Representation` that keeps what Vabs-Net's own heads read beside the residues' vectors."""

    output: VabsnetOutput | None = None
    batch: VabsnetBatch | None = None


@register("encoder")
class VabsnetEncoder(Encoder):
    """Residues and all atoms in one network of sparse attention.

    Invariant to rotation and translation unless `absolute_directions` or `special_directions: axes` (both with
    `compat`) are on.
    """

    name = "vabsnet"
    summary = "residues and all atoms in one network of sparse attention along neighbour lists"
    reference = VABSNET.at("section 3, bi-level representation")
    Config = VabsnetConfig
    atom_heads = ("atom_position", "atom_accessibility", ATOM_SITES)
    graph_changes = ("hidden_edges", "hidden_atom_edges")

    def __init__(self, config: VabsnetConfig):
        super().__init__()
        self.config = config
        self.vabsnet = VabsnetModel(config)

    def prepare(self, proteins, **inputs) -> VabsnetBatch:
        """See `plait.encoders.vabsnet.features.prepare`; inputs of other families are passed over."""
        return prepare(self.config, proteins, **inputs)

    @property
    def width(self) -> int:
        return self.config.width

    def make_readout(self, heads: dict[str, int], protein_layers: int = 1) -> "VabsnetReadout":
        return VabsnetReadout(self.config, heads, protein_layers)

    def forward(self, batch: VabsnetBatch) -> VabsnetRepresentation:
        """Vectors of residues, of atoms, and of the global nodes as those of the proteins.

        What the published program drops (`compat`: residues without C-alpha, atoms of unknown names) has zeros.
        """
        output = self.vabsnet(batch)
        nodes = torch.cat([output.nodes, output.nodes.new_zeros(1, self.width)])
        return VabsnetRepresentation(
            residue=nodes[batch.residue_rows],
            protein=nodes[batch.global_rows],
            residue_offsets=batch.residue_offsets,
            atom=None if batch.atom is None else nodes[batch.atom_rows],
            atom_offsets=None if batch.atom is None else batch.atom_offsets,
            output=output,
            batch=batch,
        )


class VabsnetReadout(nn.Module):
    """Vabs-Net's own heads: for each residue, and "atom_position" [A, 3] (displacements in angstrom, which turn with
    the structure), "atom_accessibility" [A, 1] and "atom_binding_site" for each atom; for proteins a `ProteinHead` on
    the global node.

    "residue_type" has the columns of `vocabulary.RESIDUES` when 20 are asked for, and those of the published
    vocabulary when 25 are. With `compat` the published losses' other nodes are there too: "atom_is_node" [A], and of
    the special nodes "protein_special_position" [B, S, 3] as they are, and what the heads of atoms say of them,
    "protein_special_" and the head's name.
    """

    def __init__(self, config: VabsnetConfig, heads: dict[str, int], protein_layers: int = 1):
        super().__init__()
        self.config, self.classes = config, heads
        self.heads = nn.ModuleDict(
            {
                name: ProteinHead(config.width, values, protein_layers)
                if is_protein_head(name)
                else make_head(name, config, values)
                for name, values in heads.items()
            }
        )

    def output_biases(self) -> dict[str, tuple[nn.Parameter, slice | list[int]]]:
        """As of `LinearReadout`; displacements have none."""
        found = {}
        for name, head in self.heads.items():
            if name != "atom_position":
                last = head[-1] if is_protein_head(name) else head.linear_out
                found[name] = (last.bias, slice(None))
        if self._residue_columns is not None:
            found["residue_type"] = (found["residue_type"][0], self._residue_columns)
        return found

    @property
    def _residue_columns(self) -> list[int] | None:
        """Columns of the published types that "residue_type" answers with; None for all or no such head."""
        asked = self.classes.get("residue_type", RESIDUE_TYPES)
        return None if asked >= RESIDUE_TYPES else [int(column) for column in TO_PUBLISHED[:asked]]

    def forward(self, representation: VabsnetRepresentation) -> dict[str, torch.Tensor]:
        output, batch = representation.output, representation.batch
        answers, of_nodes = {}, {}
        for name, head in self.heads.items():
            if name == "atom_position":
                of_nodes[name] = displacements(head, output, batch)
            elif name.startswith("atom_"):
                of_nodes[name] = head(output.nodes)
            elif name == "torsion":
                answers[name] = head(representation.residue).flatten(-2)
            elif is_protein_head(name):
                answers[name] = head(representation.protein)
            else:
                answers[name] = head(representation.residue)
        if self._residue_columns is not None:
            answers["residue_type"] = answers["residue_type"][:, self._residue_columns]
        for name, values in of_nodes.items():
            answers[name] = torch.cat([values, values.new_zeros(1, values.shape[1])])[batch.atom_rows]
        if self.config.compat and of_nodes:
            answers["atom_is_node"] = batch.atom_rows < len(output.nodes)
            special = batch.global_rows[:, None] + torch.arange(self.config.special_nodes, device=output.nodes.device)
            answers["protein_special_position"] = batch.position[special]
            for name, values in of_nodes.items():
                answers[f"protein_special_{name}"] = values[special]
        return answers
