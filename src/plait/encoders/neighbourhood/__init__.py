"""Sparse attention over the nearest residues with continuous geometry: the encoder of plait's own models."""

from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder

__all__ = ["NeighbourhoodEncoder"]
