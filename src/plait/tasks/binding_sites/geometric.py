"""Binding sites without a network, to compare with: cavities of the structure, after LIGSITE."""

import dataclasses

import numpy as np

from plait.data.base import short_digest
from plait.structure.cavities import DIRECTIONS, cavity_points
from plait.structure.neighbours import linked, within_radius
from plait.structure.protein import Protein
from plait.tasks.binding_sites.pockets import SitePoints

TOUCH = 4.5
"""A cavity's point touches a residue if a heavy atom is at most so far away (angstrom)."""

HALF = 2.7
"""Weighted cavity points at which a residue has the value 0.5: the threshold of highest IoU on the split valid of the
complexes (`python benchmarks/geometric_sites.py`)."""


@dataclasses.dataclass(frozen=True)
class GeometricSites:
    """Residues that line the largest cavities; takes the place of a `Model`.

    Grid points 3.3 angstrom and more from every atom, from which at least 4 of 7 lines meet protein on both sides
    within 9 angstrom, are joined to cavities. A residue's value v is its number of points within 4.5 angstrom, each
    weighted by its cavity's size over that of the largest; v / (v + `HALF`) stands for the probability and is none.
    """

    name: str = "geometry"
    least: int = 4
    clearance: float = 3.3
    reach: float = 9.0
    link: float = 1.8

    @property
    def summary(self) -> str:
        return "cavities by geometry alone, after LIGSITE: nothing is learned, and values are no probabilities"

    @property
    def digest(self) -> str:
        return short_digest(f"{self} {HALF} {TOUCH}".encode())

    @property
    def card(self) -> dict:
        return {
            "summary": self.summary,
            "trained_on": "nothing; its settings were chosen on the split valid of the complexes",
            "binding_sites": {"threshold": 0.5, "pocket_threshold": 0.0, "link": self.link},
        }

    def find_sites(self, protein: Protein) -> tuple[np.ndarray, SitePoints]:
        """Value of each residue, float32 [R] from 0 to 1, and the points of cavities."""
        cavity = cavity_points(protein, least=self.least, clearance=self.clearance, reach=self.reach)
        cluster = linked(cavity.position, self.link)
        pairs = within_radius(cavity.position, TOUCH, protein.position)
        pairs = np.unique(np.stack([pairs[:, 0], protein.residue_of[pairs[:, 1]]], axis=1), axis=0)
        size = np.bincount(cluster, cavity.enclosed)
        share = size[cluster] / size.max(initial=1e-9)
        value = np.bincount(pairs[:, 1], share[pairs[:, 0]], minlength=len(protein))
        volume = np.full(len(cluster), cavity.volume)
        points = SitePoints(cavity.position, cavity.enclosed / DIRECTIONS, volume, pairs)
        return (value / (value + HALF)).astype(np.float32), points


GEOMETRIC = GeometricSites()
