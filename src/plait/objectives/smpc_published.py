"""What the published pre-training does to a chain, and its losses over all nodes (specs/vabsnet.md, 1 and 5)."""

import dataclasses

import numpy as np
import torch

from plait.encoders.vabsnet.features import bisector_frames
from plait.encoders.vabsnet.published import UNKNOWN_ATOM, atom_slots
from plait.objectives.atom_tables import SLOTS
from plait.objectives.poses import euler_rotation
from plait.objectives.spans import generated, published_spans
from plait.structure.neighbours import within_radius
from plait.structure.protein import Protein

CUTOFF = 800


@dataclasses.dataclass
class Draws:
    """The chance in one chain: angles [3] about x, y and z and a shift [3], the runs (as `spans.generated`), and a
    function that gives the noise [R, 37, 3] in angstrom from the number of residues and the rotation."""

    angles: np.ndarray
    shift: np.ndarray
    spans: object
    noise: object

    @classmethod
    def of(cls, generator: np.random.Generator, deviation: float) -> "Draws":
        """From a generator; the program itself uses unseeded ones in part."""
        return cls(
            angles=generator.uniform(-np.pi, np.pi, 3),
            shift=generator.uniform(-20, 20, 3),
            spans=generated(generator),
            noise=lambda residues: generator.normal(0, deviation, (residues, SLOTS, 3)),
        )


@dataclasses.dataclass(frozen=True)
class Shown:
    """A chain as the published program shows it: the dropped residues have no atoms.

    Attributes
    ----------
    clean : Protein
        Turned, moved and centred, all atoms, float64.
    kept : bool [R]
        Residues that are not dropped.
    hidden : bool [R]
    sound : bool
        Whether it is legal enough to be noised.
    noise : float64 [R, 37, 3]
        Zero where nothing is hidden.
    frames : float64 [R, 3, 3]
        From the noised N, CA, C also of hidden residues, whose N and C the encoder cannot see.
    """

    clean: Protein
    kept: np.ndarray
    hidden: np.ndarray
    sound: bool
    noise: np.ndarray
    frames: np.ndarray


def show(protein: Protein, draws: Draws) -> Shown:
    """Clean up, pose and choose as the published featuriser does."""
    has_alpha = np.isfinite(protein.c_alpha).all(-1)
    illegal = illegal_residues(protein)
    sound = not len(protein) or (~illegal).mean() >= 0.7
    kept = has_alpha & ~illegal if sound else has_alpha.copy()
    kept[np.flatnonzero(kept)[CUTOFF:]] = False
    position = np.asarray(protein.position, np.float64) @ euler_rotation(*draws.angles) + draws.shift
    posed = protein.replace(position=position)
    posed = posed.replace(position=position - posed.c_alpha[kept].mean(0))
    posed = without_atoms(posed, ~kept[posed.residue_of] | (atom_slots(posed.atom_name) == UNKNOWN_ATOM))
    hidden = np.zeros(len(protein), bool)
    hidden[np.flatnonzero(kept)] = published_spans(int(kept.sum()), draws.spans)
    noise = np.zeros((len(protein), SLOTS, 3))
    if sound:
        noise[kept] = draws.noise(int(kept.sum()))
        noise[~hidden] = 0
    backbone = np.nan_to_num(posed.backbone[:, :3]) + noise[:, :3]
    return Shown(posed, kept, hidden, sound, noise, bisector_frames(backbone))


def without_atoms(protein: Protein, gone: np.ndarray) -> Protein:
    """The protein without the atoms where `gone` [A] is true; residues stay."""
    fields = ("position", "atom_name", "element", "residue_of")
    return protein.replace(**{name: getattr(protein, name)[~gone] for name in fields})


def illegal_residues(protein: Protein) -> np.ndarray:
    """Residues with an atom at the origin, or one closer than 1 angstrom to another: bool [R]."""
    illegal = np.zeros(len(protein), bool)
    illegal[protein.residue_of[(np.abs(protein.position) < 0.001).all(-1)]] = True
    if len(protein.position):
        illegal[protein.residue_of[within_radius(protein.position, np.nextafter(1.0, 0))]] = True
    return illegal


# -- losses over all nodes


def dense_pair_error(predicted: torch.Tensor, clean: torch.Tensor, asked: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Sum over ordered pairs of nodes of one chain, one of them asked, of the error of their distance, and how many.

    Parameters
    ----------
    predicted, clean : float [N, 3], angstrom
    asked : bool [N]
    """
    error = (_distances(predicted) - _distances(clean)).abs()
    pairs = asked[:, None] | asked[None]
    return (error * pairs).sum(), int(pairs.sum())


def _distances(points):
    return (points[:, None] - points[None]).norm(dim=-1)
