"""GVP: a graph network over scalars and vectors of residues or atoms."""

from plait.encoders.gvp.configuration import GvpConfig
from plait.encoders.gvp.encoder import GvpEncoder

__all__ = ["GvpConfig", "GvpEncoder"]
