"""What the published training on sites shows of a chain, and its loss over all nodes (specs/vabsnet.md, 7.1)."""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from plait.data.site_labels import ATOMS
from plait.objectives.atom_tables import ViewAtoms
from plait.objectives.base import Term, View, hide_residues, weighted_mean, without_rows
from plait.objectives.poses import euler_rotation
from plait.structure.protein import Hetero, Protein

NOISE = 0.5
"""Standard deviation of the noise on the atoms of hidden residues, in angstrom."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """One example as an encoder may see it; see `plait.objectives.base.View`."""

    protein: Protein
    masked: np.ndarray
    extras: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Draws:
    """The pose of a chain: angles [3] about x, y and z, a shift [3] in angstrom; and a function that gives the noise
    [A, 3] of so many atoms."""

    angles: np.ndarray
    shift: np.ndarray
    noise: object

    @classmethod
    def of(cls, generator: np.random.Generator) -> "Draws":
        return cls(
            angles=generator.uniform(-np.pi, np.pi, 3),
            shift=generator.uniform(-20, 20, 3),
            noise=lambda atoms: generator.normal(0, NOISE, (atoms, 3)),
        )


def show(protein: Protein, before, extras, hidden: np.ndarray, draws: Draws) -> Shown:
    """The chain posed about the origin; hidden residues keep their atoms, which are moved and have no names."""
    position = np.asarray(protein.position, np.float64) @ euler_rotation(*draws.angles) + draws.shift
    posed = protein.replace(position=position, hetero=Hetero.empty())
    alphas = posed.c_alpha
    known = np.isfinite(alphas).all(-1)
    position = position - (alphas[known].mean(0) if known.any() else 0.0)
    noise = draws.noise(len(position))
    position = np.where(hidden[protein.residue_of, None], position + noise, position)
    shown = hide_residues(posed.replace(position=position), hidden, kept=None)
    extras = {**without_rows(extras, hidden), "hidden_atoms": hidden, "origin": np.zeros(3)}
    return Shown(shown, before | hidden, extras)


def term(outputs: dict[str, torch.Tensor], view: View) -> Term:
    """Cross-entropy of the two classes, mean over the nodes of labelled residues and the global nodes, which bind
    nothing, of chains with a label."""
    logits = outputs[ATOMS].float()  # (A, 2)
    atoms = ViewAtoms(view)
    rows = torch.as_tensor(atoms.atoms, device=logits.device)
    target, weight = (
        torch.as_tensor(part[ATOMS].reshape(-1)[atoms.codes], device=logits.device)
        for part in (view.targets, view.weights)
    )
    weight = weight * outputs["atom_is_node"][rows]
    labelled = np.unique(atoms.protein[view.weights[ATOMS].reshape(-1)[atoms.codes] > 0])
    special = outputs[f"protein_special_{ATOMS}"].float()[labelled, 0]  # (labelled proteins, 2)
    logits = torch.cat([logits[rows], special])
    target = torch.cat([target, target.new_zeros(len(special))])
    weight = torch.cat([weight, weight.new_ones(len(special))])
    entropy = F.cross_entropy(logits, target.long(), reduction="none")
    return Term(weighted_mean(entropy, weight), 1.0, int((weight > 0).sum()))
