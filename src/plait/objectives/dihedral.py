"""Dihedrals of three edges in a row that are hidden."""

from plait.objectives.path_questions import PathConfig, PathObjective
from plait.objectives.paths import CLASSES, dihedral_class
from plait.references import GEARNET
from plait.registry import register


@register("objective")
class Dihedral(PathObjective):
    """Cross-entropy over eight equal parts of [0, pi]; the sign is not asked, as encoders do not see it."""

    name = "dihedral"
    summary = "dihedrals of three hidden edges of a graph, in eight classes"
    reference = GEARNET.at("section 3.4, self-prediction: dihedral prediction")
    Config = PathConfig
    steps, order, classes = 3, (3, 2, 0, 1), CLASSES

    def measure(self, position):
        return dihedral_class(position)
