"""Seven torsions of each residue as targets, and their loss."""

import numpy as np
import torch

from plait.structure.geometry import backbone_dihedrals, dihedral, side_chain_dihedrals
from plait.structure.protein import Protein
from plait.structure.vocabulary import RESIDUES

NAMES = ("omega", "phi", "psi", "chi1", "chi2", "chi3", "chi4")

PERIODIC = {"D": 4, "F": 4, "Y": 4, "E": 5}
"""Column of the angle of each residue that is the same after half a turn: two atoms at its end cannot be told apart."""


def torsions(protein: Protein, published: bool = False) -> np.ndarray:
    """omega, phi, psi and chi 1 to 4 of each residue: float64 [R, 7], radians, NaN where undefined.

    psi of a residue without a next one is that of its oxygen, less half a turn. In the published form psi is always
    that, and omega and phi are taken to the residue before in the list, bonded or not (specs/vabsnet.md, 5.4).
    """
    n, ca, c, o = np.moveaxis(protein.backbone.astype(np.float64), 1, 0)
    psi = dihedral(n, ca, c, o) + np.pi
    if published:
        angles = np.full((len(protein), 3), np.nan)
        angles[1:, 0] = dihedral(ca[:-1], c[:-1], n[1:], ca[1:])
        angles[1:, 1] = dihedral(c[:-1], n[1:], ca[1:], c[1:])
        angles[:, 2] = psi
    else:
        angles = backbone_dihedrals(protein)[:, [2, 0, 1]]  # omega first
        angles[:, 2] = np.where(np.isnan(angles[:, 2]), psi, angles[:, 2])
    return np.concatenate([angles, side_chain_dihedrals(protein)], axis=1)


def periodic(residue_type: np.ndarray) -> np.ndarray:
    """Which torsions are the same after half a turn: bool [R, 7]."""
    found = np.zeros((len(residue_type), len(NAMES)), bool)
    for letter, column in PERIODIC.items():
        found[residue_type == RESIDUES.index(letter), column] = True
    return found


def torsion_errors(prediction: torch.Tensor, target: torch.Tensor, alike: torch.Tensor):
    """Squared distances on the unit circle, and by how much predictions miss it: two float [R, 7].

    Parameters
    ----------
    prediction : float [R, 7, 2]
        Pairs (sine, cosine) of any length.
    target : float [R, 7, 2]
    alike : bool [R, 7]
        Where the opposite target is as good.
    """
    length = (prediction.square().sum(-1) + 1e-6).sqrt()
    direction = prediction / prediction.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    error = (target - direction).square().sum(-1)
    opposite = (target + direction).square().sum(-1)
    return torch.where(alike, torch.minimum(error, opposite), error), (length - 1).abs()
