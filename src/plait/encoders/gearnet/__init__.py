"""GearNet and GearNet-Edge: relational graph convolutions on residues or atoms."""

from plait.encoders.gearnet.configuration import GearNetConfig, GearNetEdgeConfig
from plait.encoders.gearnet.encoder import GearNetEdgeEncoder, GearNetEncoder
from plait.encoders.gearnet.graphs import GearNetBatch

__all__ = ["GearNetBatch", "GearNetConfig", "GearNetEdgeConfig", "GearNetEdgeEncoder", "GearNetEncoder"]
