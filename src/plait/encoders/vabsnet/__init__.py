"""Vabs-Net: residues and all atoms in one network of sparse attention."""

from plait.encoders.vabsnet.configuration import VabsnetConfig
from plait.encoders.vabsnet.encoder import VabsnetEncoder, VabsnetReadout
from plait.encoders.vabsnet.features import VabsnetBatch
from plait.encoders.vabsnet.heads import VabsnetForPretraining
from plait.encoders.vabsnet.modeling import VabsnetModel, VabsnetOutput

__all__ = [
    "VabsnetBatch",
    "VabsnetConfig",
    "VabsnetEncoder",
    "VabsnetForPretraining",
    "VabsnetModel",
    "VabsnetOutput",
    "VabsnetReadout",
]
