"""SiamDiff: two conformers with noise and hidden types, each restored from the vectors of the other."""

import dataclasses
from typing import Literal

import numpy as np

from plait.config import option
from plait.objectives.diffusion import DiffusionConfig, DiffusionObjective
from plait.objectives.smpc_published import without_atoms
from plait.references import SIAMDIFF
from plait.registry import register
from plait.structure.perturbation import GAUSSIAN_SPREAD, TORSION_SPREAD, atom_slots, gaussian, turn_side_chains
from plait.structure.protein import Protein

LABEL = "conformer"
"""Among an example's labels, where the atoms are in another structure of the protein: float [R, n, 3] in angstrom, for
the first n of `vocabulary.ATOMS` of each residue, NaN where absent."""


@dataclasses.dataclass(frozen=True)
class SiamDiffConfig(DiffusionConfig):
    conformers: Literal["auto", "gaussian", "torsional"] = option(
        "auto",
        "the second conformer: a real one where the example has it, else all atoms with noise (at residue level) or "
        "side chains turned (at atom level)",
    )
    gaussian: float = option(GAUSSIAN_SPREAD, "standard deviation of the conformer's coordinates, in angstrom")
    torsional: float = option(TORSION_SPREAD, "standard deviation of its side-chain dihedrals, in radians")


@register("objective")
class SiamDiff(DiffusionObjective):
    """Mutual prediction between the diffusion trajectories of two conformers.

    Both have the same step and the same hidden residues, and noise of their own. Terms as in `diffpret`, means over the
    two: the scores of one conformer's pairs come from its distances and the vectors of the other, and so do its types.
    """

    name = "siamdiff"
    summary = "restore each of two conformers with noise and hidden types from the vectors of the other"
    reference = SIAMDIFF.at("section 4, siamese diffusion trajectory prediction")
    Config = SiamDiffConfig
    sides = (("", "siamdiff"), ("siamdiff", ""))

    def draw_conformer(self, example, generator):
        config = self.config
        kind = config.conformers
        if kind == "auto" and LABEL in example.labels:
            return lambda protein: real_conformer(protein, example.labels[LABEL])
        if kind == "auto":
            kind = "gaussian" if config.level == "residue" else "torsional"
        own = np.random.default_rng(generator.integers(1 << 62))
        if kind == "gaussian":
            return lambda protein: gaussian(protein, own, config.gaussian)
        return lambda protein: turn_side_chains(
            protein, own.normal(scale=config.torsional, size=(len(protein), 4)), compat=config.compat
        )


def real_conformer(protein: Protein, table: np.ndarray) -> Protein:
    """The protein with its atoms where the table [R, n, 3] says (see `LABEL`), without those that it does not have."""
    slot = atom_slots(protein)
    known = (slot >= 0) & (slot < table.shape[1])
    position = np.full(protein.position.shape, np.nan, protein.position.dtype)
    position[known] = table[protein.residue_of[known], slot[known]]
    there = np.isfinite(position).all(-1)
    return without_atoms(protein.with_positions(np.nan_to_num(position)), ~there)
