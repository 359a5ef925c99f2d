"""Distances between nodes whose edges are hidden."""

import dataclasses

from plait.config import option
from plait.objectives.path_questions import PathConfig, PathObjective
from plait.objectives.paths import distance_along
from plait.references import GEARNET
from plait.registry import register


@dataclasses.dataclass(frozen=True)
class DistanceConfig(PathConfig):
    count: int = option(256, "edges of each protein that are asked about, or fewer in a small one")


@register("objective")
class Distance(PathObjective):
    """Mean squared error of the distance (square angstrom)."""

    name = "distance"
    summary = "distances between nodes of a graph whose edge is hidden"
    reference = GEARNET.at("section 3.4, self-prediction: distance prediction")
    Config = DistanceConfig
    steps, order, classes = 1, (0, 1), 1

    def measure(self, position):
        return distance_along(position)
