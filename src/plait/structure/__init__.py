"""Files to and from `Protein`, and the geometry of a `Protein`. numpy only."""

from plait.structure.protein import Hetero, Protein, Remark
from plait.structure.reading import read_structure

__all__ = ["Hetero", "Protein", "Remark", "read_structure"]
