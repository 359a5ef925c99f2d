"""Angles between two edges that are hidden."""

from plait.objectives.path_questions import PathConfig, PathObjective
from plait.objectives.paths import CLASSES, angle_class
from plait.references import GEARNET
from plait.registry import register


@register("objective")
class Angle(PathObjective):
    """Cross-entropy over eight equal parts of [0, pi]."""

    name = "angle"
    summary = "angles between two hidden edges of a graph, in eight classes"
    reference = GEARNET.at("section 3.4, self-prediction: angle prediction")
    Config = PathConfig
    steps, order, classes = 2, (2, 1, 0), CLASSES

    def measure(self, position):
        return angle_class(position)
