"""`GvpEncoder`: a GVP network behind the interface that all encoders share."""

import torch

from plait.encoders.base import Encoder, Representation
from plait.encoders.blocks.graph_batches import GraphBatch
from plait.encoders.blocks.graph_changes import NAMES
from plait.encoders.blocks.loading import encoder_tensors
from plait.encoders.blocks.readout import representation
from plait.encoders.gvp.configuration import GvpConfig
from plait.encoders.gvp.features import prepare
from plait.encoders.gvp.modeling import Gvp
from plait.encoders.gvp.published import config_of, load_state
from plait.references import GVP
from plait.registry import register


@register("encoder")
class GvpEncoder(Encoder):
    """Geometric vector perceptrons on a graph of residues or atoms."""

    name = "gvp"
    summary = "Graph network over scalars and vectors of residues or atoms"
    reference = GVP.at("section 3, geometric vector perceptrons; as in the recipes of SiamDiff")
    Config = GvpConfig
    graph_changes = NAMES

    def __init__(self, config: GvpConfig):
        super().__init__()
        self.config = config
        self.gvp = Gvp(config)

    @classmethod
    def from_published(cls, tensors: dict[str, torch.Tensor], vocabulary: str = "atom3d", *, file=None) -> "GvpEncoder":
        """The encoder of a published checkpoint, in evaluation mode; see `published.config_of`.

        Parameters
        ----------
        tensors : dict of str to Tensor
            Saved as the model alone, or as the whole task with its heads, which are left out.
        """
        tensors = encoder_tensors(tensors)
        encoder = cls(config_of(tensors, vocabulary, file=file))
        load_state(encoder.gvp, tensors, file=file)
        return encoder.eval()

    def prepare(self, proteins, *, masked=None, **extras) -> GraphBatch:
        """See `plait.encoders.gvp.features.prepare`; inputs of other families are passed over."""
        return prepare(self.config, proteins, masked=masked, **extras)

    @property
    def width(self) -> int:
        return self.config.node_hidden[0]

    def forward(self, batch: GraphBatch) -> Representation:
        """Scalars of the nodes, and of residues and proteins from them; see `blocks.readout.representation`."""
        node = self.gvp(batch.residue_column, batch.element_column, batch.source, batch.target, batch.position)
        return representation(batch, node, self.config.readout)
