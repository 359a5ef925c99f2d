"""GVP: a graph network over scalars and vectors of residues or atoms."""

from plait.encoders.gvp.configuration import GvpConfig
from plait.encoders.gvp.encoder import GvpEncoder
from plait.encoders.gvp.features import GvpBatch

__all__ = ["GvpBatch", "GvpConfig", "GvpEncoder"]
