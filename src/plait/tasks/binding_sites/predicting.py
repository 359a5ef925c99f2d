"""What a model says of each residue: the probability that it binds a ligand, and where pockets are."""

import dataclasses
from typing import Literal

import numpy as np

from plait.config import from_dict, option
from plait.data.site_labels import ATOMS, RESIDUES
from plait.errors import InputError
from plait.models.catalogue import bundled
from plait.structure.protein import Hetero, Protein
from plait.tasks.binding_sites.geometric import GEOMETRIC
from plait.tasks.binding_sites.partners import FIRST, Partner, partner_of
from plait.tasks.binding_sites.pockets import (
    Pocket,
    densest_pockets,
    likely,
    points_of_cavities,
    points_of_residues,
    ranked_pockets,
)

DEFAULT = "plait-sites"
"""The model that is used where none is named."""

PARTNERS = "plait-partners"
"""The one that is used where a partner is named and no model."""


@dataclasses.dataclass(frozen=True)
class SiteSettings:
    """How a model's probabilities become sites and pockets; in its card under "binding_sites", and under "partners" by
    name where it answers for several kinds of partners."""

    threshold: float = option(0.5, "a residue of at least this probability is predicted to bind")
    points: Literal["surface", "cavities"] = option(
        "surface",
        "what pockets are made of: the accessible surface of likely residues, joined by `link`; or spheres of "
        "`radius` of points in cavities, whose residues are likely",
    )
    pocket_threshold: float = option(0.35, "residues, or points of cavities, of at least this probability make pockets")
    atom_threshold: float = option(0.5, "an atom of at least this probability is predicted to bind")
    link: float = option(3.0, "points on the surface at most so far apart are of one pocket (angstrom)")
    radius: float = option(6.0, "of a pocket in a cavity (angstrom)")
    fewest: int = option(3, "pockets of fewer residues are dropped")
    pocket_odds: tuple[float, ...] = option(
        (),
        "log-odds that a pocket holds a ligand, by the natural logarithm of its score: intercept and slope, fitted to "
        "complexes; empty: not known",
    )

    def __post_init__(self):
        object.__setattr__(self, "pocket_odds", tuple(self.pocket_odds))
        if len(self.pocket_odds) not in (0, 2):
            raise InputError(
                "wrong pocket_odds", got=f"{len(self.pocket_odds)} numbers", expected="none, or intercept and slope"
            )

    def pocket_probability(self, score: np.ndarray) -> np.ndarray:
        """Probability that pockets of these scores [P] hold a ligand (within 4 angstrom of their centres), in a protein
        that binds one: float64 [P], NaN where that is not known."""
        score = np.asarray(score, np.float64)
        if not self.pocket_odds:
            return np.full(score.shape, np.nan)
        intercept, slope = self.pocket_odds
        return 1 / (1 + np.exp(-(intercept + slope * np.log(np.maximum(score, 1e-12)))))

    @classmethod
    def of(cls, model, partner: Partner = FIRST) -> "SiteSettings":
        """Those that the model's card states for a partner, and the defaults for the rest.

        Raises
        ------
        InputError
            If the card states something else.
        """
        card, place = model.card or {}, "binding_sites"
        if partner.name and isinstance(card.get("partners"), dict) and partner.name in card["partners"]:
            card, place = card["partners"], partner.name
        return from_dict(cls, card.get(place) or {}, file=model.name, place=place)


@dataclasses.dataclass(frozen=True)
class Sites:
    """What was found in a protein.

    Attributes
    ----------
    probability : float32 [R]
        Of each residue, NaN where there is none.
    pockets : tuple of Pocket
        Best first.
    atoms : float32 [A] or None
        Of each atom, NaN where there is none; None from a model that says nothing of atoms.
    """

    probability: np.ndarray
    pockets: tuple[Pocket, ...]
    atoms: np.ndarray | None = None


def find(model, protein: Protein, settings: SiteSettings, together: bool = True, partner: Partner = FIRST) -> Sites:
    """Probabilities and pockets of a protein; ligands in it are not looked at.

    Parameters
    ----------
    model : Model or GeometricSites
    protein : Protein
    settings : SiteSettings
    together : bool
        Whether chains see one another; without it each is asked by itself. Pockets are always those of the whole.
    partner : Partner
        What may be bound, of those that the model answers for; its first column if not given.

    Raises
    ------
    InputError
        If the model has no head for binding sites.
    """
    protein, atoms = protein.replace(hetero=Hetero.empty()), None
    if hasattr(model, "find_sites"):
        probability, points = model.find_sites(protein)
    else:
        check_model(model)
        found = _probabilities(model, protein, together, partner)
        probability, atoms = (None if one is None else one.astype(np.float32) for one in found)
        if settings.points == "cavities":
            points = likely(points_of_cavities(protein, probability), settings.pocket_threshold)
            pockets = densest_pockets(points, radius=settings.radius, fewest=settings.fewest)
            return Sites(probability, pockets, atoms)
        points = points_of_residues(protein, probability, settings.pocket_threshold)
    return Sites(probability, ranked_pockets(points, link=settings.link, fewest=settings.fewest), atoms)


def check_model(model) -> None:
    """Raise InputError if a model can say nothing of binding sites, or lacks embeddings that it reads."""
    heads = getattr(model.network, "heads", {}) if not hasattr(model, "find_sites") else {RESIDUES: 1}
    if RESIDUES in heads or ATOMS in heads:
        if getattr(model, "embeddings", None) is not None:
            model.embeddings.check()
        return
    raise InputError(
        "this model has no head for binding sites",
        file=model.name,
        expected=f"a model with the head {RESIDUES}, trained with the objective binding-site",
        do=f"Give another with --model, or {GEOMETRIC.name!r} for cavities by geometry alone.",
    )


def load_site_model(name=None, partner: str | None = None):
    """The model of a name, folder or hub id, or the geometric baseline; a model is returned as it is. Where none is
    named, the one for small molecules, or for all kinds of partners if `partner` names one.

    Raises
    ------
    InputError
        If there is no such model, none was named and none ships, it has no head for binding sites, or it does not
        answer for the partner.
    """
    from plait.models.loading import load

    default = PARTNERS if partner else DEFAULT
    if name is None and default not in bundled():
        raise InputError(
            f"no model for binding sites ships with this version of plait ({default})",
            expected=f"--model: a folder or hub id of a model with the head {RESIDUES}",
            do="Train one with the objective binding-site, or give "
            f"--model {GEOMETRIC.name} for cavities by geometry alone.",
        )
    model = name if hasattr(name, "find_sites") else GEOMETRIC if name == GEOMETRIC.name else load(name or default)
    check_model(model)
    partner_of(model, partner)
    return model


def _probabilities(model, protein: Protein, together: bool, partner: Partner) -> tuple[np.ndarray, np.ndarray | None]:
    """Probability of each residue, float64 [R], and of each atom, float64 [A] or None."""
    if together or len(protein.chains) == 1:
        return probabilities(protein, model.outputs(protein), partner)
    residues, atoms = np.empty(len(protein)), np.empty(len(protein.position))
    for chain in protein.chains:
        own = protein.chain == chain
        alone = protein.select_chain(chain)
        residues[own], of_atoms = probabilities(alone, model.outputs(alone), partner)
        if of_atoms is None:
            atoms = None
        elif atoms is not None:
            atoms[own[protein.residue_of]] = of_atoms
    return residues, atoms


def probabilities(
    protein: Protein, outputs: dict[str, np.ndarray], partner: Partner = FIRST
) -> tuple[np.ndarray, np.ndarray | None]:
    """What heads for binding sites say of a protein's residues, float64 [R], and atoms, float64 [A] or None.

    A residue of a network that answers for atoms alone, as the published one does, has the probability of its C-alpha.
    What such a network leaves out is NaN.
    """
    atoms = _sigmoid(outputs[ATOMS]) if ATOMS in outputs else None
    if atoms is not None and "atom_is_node" in outputs:
        atoms = np.where(outputs["atom_is_node"] > 0, atoms, np.nan)
    if RESIDUES in outputs:
        logit = np.asarray(outputs[RESIDUES])[:, list(partner.columns)].max(1, keepdims=True)
        return _sigmoid(logit), atoms
    residues = np.full(len(protein), np.nan)
    alphas = np.flatnonzero(protein.atom_name == "CA")[::-1]  # the first of two stays
    residues[protein.residue_of[alphas]] = atoms[alphas]
    return residues, atoms


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities float64 [n] from logits [n, 1], or from those of two classes [n, 2]."""
    logit = np.asarray(logits, np.float64)
    logit = logit[:, 0] if logit.shape[1] == 1 else logit[:, 1] - logit[:, 0]
    return 1 / (1 + np.exp(-np.clip(logit, -500, 500)))
