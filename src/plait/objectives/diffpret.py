"""DiffPreT: noise on positions and hidden types of one structure."""

from plait.objectives.diffusion import DiffusionConfig, DiffusionObjective
from plait.references import SIAMDIFF
from plait.registry import register


@register("objective")
class DiffPreT(DiffusionObjective):
    """Joint denoising of structure and sequence.

    Terms: diffpret_structure (squared difference of the nodes' scores, weight gamma), diffpret_type (cross-entropy of
    hidden types, weight 1 - gamma) and its accuracy. Their sum is the published loss.
    """

    name = "diffpret"
    summary = "take noise off positions and name hidden residues, with more of both at later steps"
    reference = SIAMDIFF.at("section 3, diffusion models for protein encoder pre-training")
    Config = DiffusionConfig
