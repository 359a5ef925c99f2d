"""Denoising: positions get noise, and scores of pairs say how to take it off."""

from plait.objectives.diffusion import DiffusionObjective, NoiseConfig
from plait.references import SIAMDIFF
from plait.registry import register


@register("objective")
class Denoising(DiffusionObjective):
    """`diffpret` without hidden types.

    The published loss is as large: it is twice the half of this square (specs/siamdiff.md, 7).
    """

    name = "denoising"
    summary = "take noise off positions, by scores of pairs of nodes"
    reference = SIAMDIFF.at("section 5.1, baseline: denoising score matching")
    Config = NoiseConfig
