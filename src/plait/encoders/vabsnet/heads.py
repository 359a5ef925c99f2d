"""The heads of a Vabs-Net, and the whole network that the published program pre-trains."""

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.blocks.initialisation import linear
from plait.encoders.blocks.perceptrons import FeedForward, NormedPerceptron
from plait.encoders.vabsnet.attention import Links, PositionHead
from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.features import VabsnetBatch
from plait.encoders.vabsnet.modeling import VabsnetModel, VabsnetOutput
from plait.encoders.vabsnet.published import RESIDUE_TYPES

TORSIONS = 7
TORSION_WIDTH = 128


class TorsionHead(nn.Module):
    """Seven angles of each residue as pairs (sine, cosine), not normalised: [n, d] to [n, 7, 2]."""

    def __init__(self, config: VabsnetConfig):
        super().__init__()
        self.layer_norm_init = nn.LayerNorm(config.width) if config.norm == "pre" else None
        self.linear_in = linear(config.width, TORSION_WIDTH)
        self.layers = nn.ModuleList(FeedForward(TORSION_WIDTH, TORSION_WIDTH, final=config.final) for _ in range(2))
        self.linear_out = linear(TORSION_WIDTH, 2 * TORSIONS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.layer_norm_init is not None:
            x = self.layer_norm_init(x)
        s = self.linear_in(F.gelu(x))
        for layer in self.layers:
            s = s + layer(F.gelu(s))
        return self.linear_out(F.gelu(s)).unflatten(-1, (TORSIONS, 2))


HEADS = ("residue_type", "atom_position", "torsion", "atom_accessibility", "sites", "graph")


def make_head(name: str, config: VabsnetConfig, outputs: int = 0) -> nn.Module:
    """A head by name; `outputs` is for "graph" and for names that are not among `HEADS`."""
    if name == "atom_position":
        return PositionHead(config)
    if name == "torsion":
        return TorsionHead(config)
    width = config.width * (config.layers if name == "graph" else 1)
    outputs = {"residue_type": RESIDUE_TYPES, "atom_accessibility": 1, "sites": 2}.get(name, outputs)
    return NormedPerceptron(width, outputs, norm_first=config.norm == "pre", final=config.final)


class VabsnetForPretraining(nn.Module):
    """Encoder and heads under one roof, as a published checkpoint holds them.

    `heads` names some of `HEADS`; "graph" needs `classes`.
    """

    def __init__(
        self,
        config: VabsnetConfig,
        heads: tuple[str, ...] = ("residue_type", "atom_position", "atom_accessibility", "torsion"),
        classes: int = 0,
    ):
        super().__init__()
        self.config = config
        self.encoder = VabsnetModel(config)
        self.heads = nn.ModuleDict({name: make_head(name, config, classes) for name in heads})

    def forward(self, batch: VabsnetBatch) -> tuple[VabsnetOutput, dict[str, torch.Tensor]]:
        """The encoder's output, and by head: "residue_type" logits [M, 25] of all nodes, "atom_position" displacements
        [M, 3], "torsion" [R, 7, 2] of residues, "atom_accessibility" [M, 1], "sites" [M, 2], "graph" [B, classes]."""
        output = self.encoder(batch)
        answers = {}
        for name, head in self.heads.items():
            if name == "atom_position":
                answers[name] = displacements(head, output, batch)
            elif name == "torsion":
                answers[name] = head(output.nodes[batch.residue_rows[batch.residue_rows < len(output.nodes)]])
            elif name == "graph":
                answers[name] = head(torch.cat([hidden[batch.global_rows] for hidden in output.hidden], -1))
            else:
                answers[name] = head(output.nodes)
        return output, answers


def displacements(head: PositionHead, output: VabsnetOutput, batch: VabsnetBatch) -> torch.Tensor:
    """The position head on the atom track, or without one on the residue track: [M, 3] in angstrom."""
    if batch.atom is None:
        return head(output.nodes, output.residue_edges, batch.position, Links(batch.residue))
    return head(output.nodes, output.atom_edges, batch.position, Links(batch.atom))
