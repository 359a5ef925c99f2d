"""`GearNetEncoder` and `GearNetEdgeEncoder`: GearNet behind the interface that all encoders share."""

import torch

from plait.encoders.base import Encoder, Representation
from plait.encoders.blocks.graph_changes import NAMES
from plait.encoders.blocks.loading import encoder_tensors, load_exactly
from plait.encoders.blocks.readout import representation
from plait.encoders.gearnet.configuration import GearNetConfig, GearNetEdgeConfig
from plait.encoders.gearnet.graphs import GearNetBatch, prepare
from plait.encoders.gearnet.modeling import GearNet
from plait.encoders.gearnet.published import config_of
from plait.references import GEARNET
from plait.registry import register


@register("encoder")
class GearNetEncoder(Encoder):
    """Relational convolutions on a graph of residues or atoms."""

    name = "gearnet"
    summary = "Relational graph convolutions on residues or atoms"
    reference = GEARNET.at("section 3.2, relational graph convolutional layer")
    Config = GearNetConfig
    graph_changes = NAMES

    def __init__(self, config: GearNetConfig):
        super().__init__()
        self.config = config
        self.gearnet = GearNet(config)

    @classmethod
    def from_published(cls, tensors: dict[str, torch.Tensor], *, file=None) -> "GearNetEncoder":
        """The encoder of a published checkpoint, in evaluation mode; which kind and size it is, the shapes tell.

        Parameters
        ----------
        tensors : dict of str to Tensor
            Saved as the model alone, or as the whole task with its heads, which are left out.

        Raises
        ------
        InputError
            If they are not those of a GearNet.
        """
        tensors = encoder_tensors(tensors)
        config = config_of(tensors, file=file)
        encoder = (GearNetEdgeEncoder if config.angle_bins else GearNetEncoder)(config)
        load_exactly(encoder.gearnet, tensors, file=file)
        return encoder.eval()

    def prepare(self, proteins, *, masked=None, **extras) -> GearNetBatch:
        """See `plait.encoders.gearnet.graphs.prepare`; inputs of other families are passed over."""
        return prepare(self.config, proteins, masked=masked, **extras)

    @property
    def width(self) -> int:
        return self.config.width

    def forward(self, batch: GearNetBatch) -> Representation:
        """Vectors of the nodes, and of residues and proteins from them; see `blocks.readout.representation`."""
        config, dtype = self.config, self.gearnet.layers[0].self_loop.weight.dtype
        node = self.gearnet(
            batch.node_feature(config, dtype),
            batch.edge_feature(config, dtype) if config.angle_bins else None,
            batch.source,
            batch.target,
            batch.relation,
            batch.position,
        )
        return representation(batch, node, config.readout)


@register("encoder")
class GearNetEdgeEncoder(GearNetEncoder):
    """GearNet with messages between edges that follow one another, by the angle between them."""

    name = "gearnet-edge"
    summary = "Relational graph convolutions with messages between edges, by angle"
    reference = GEARNET.at("section 3.3, edge message passing layer")
    Config = GearNetEdgeConfig
