"""What a model says of each residue: the probability that it binds a ligand, and where pockets are."""

import dataclasses

import numpy as np

from plait.config import from_dict, option
from plait.errors import InputError
from plait.models.catalogue import bundled
from plait.objectives.binding_site import HEAD
from plait.structure.protein import Hetero, Protein
from plait.tasks.binding_sites.geometric import GEOMETRIC
from plait.tasks.binding_sites.pockets import Pocket, points_of_residues, ranked_pockets

DEFAULT = "plait-sites"
"""The model that is used where none is named."""


@dataclasses.dataclass(frozen=True)
class SiteSettings:
    """How a model's probabilities become sites and pockets; in its card under "binding_sites"."""

    threshold: float = option(0.5, "a residue of at least this probability is predicted to bind")
    pocket_threshold: float = option(0.35, "residues of at least this probability make pockets")
    link: float = option(3.0, "points at most so far apart are of one pocket (angstrom)")
    fewest: int = option(3, "pockets of fewer residues are dropped")

    @classmethod
    def of(cls, model) -> "SiteSettings":
        """Those that the model's card states, and the defaults for the rest.

        Raises
        ------
        InputError
            If the card states something else.
        """
        return from_dict(cls, (model.card or {}).get("binding_sites") or {}, file=model.name, place="binding_sites")


@dataclasses.dataclass(frozen=True)
class Sites:
    """What was found in a protein: probability float32 [R], NaN where there is none, and pockets, best first."""

    probability: np.ndarray
    pockets: tuple[Pocket, ...]


def find(model, protein: Protein, settings: SiteSettings, together: bool = True) -> Sites:
    """Probabilities and pockets of a protein; ligands in it are not looked at.

    Parameters
    ----------
    model : Model or GeometricSites
    protein : Protein
    settings : SiteSettings
    together : bool
        Whether chains see one another; without it each is asked by itself. Pockets are always those of the whole.

    Raises
    ------
    InputError
        If the model has no head for binding sites.
    """
    protein = protein.replace(hetero=Hetero.empty())
    if hasattr(model, "find_sites"):
        probability, points = model.find_sites(protein)
    else:
        check_model(model)
        probability = _probability(model, protein, together)
        points = points_of_residues(protein, probability, settings.pocket_threshold)
    return Sites(probability, ranked_pockets(points, link=settings.link, fewest=settings.fewest))


def check_model(model) -> None:
    """Raise InputError if a model can say nothing of binding sites."""
    if hasattr(model, "find_sites") or HEAD in getattr(model.network, "heads", {}):
        return
    raise InputError(
        "this model has no head for binding sites",
        file=model.name,
        expected=f"a model with the head {HEAD}, trained with the objective binding-site",
        do=f"Give another with --model, or {GEOMETRIC.name!r} for cavities by geometry alone.",
    )


def load_site_model(name=None):
    """The model of a name, folder or hub id, or the geometric baseline; a model is returned as it is.

    Raises
    ------
    InputError
        If there is no such model, none was named and none ships, or it has no head for binding sites.
    """
    from plait.models.loading import load

    if name is None and DEFAULT not in bundled():
        raise InputError(
            f"no model for binding sites ships with this version of plait ({DEFAULT})",
            expected=f"--model: a folder or hub id of a model with the head {HEAD}",
            do="Train one with the objective binding-site, or give "
            f"--model {GEOMETRIC.name} for cavities by geometry alone.",
        )
    model = name if hasattr(name, "find_sites") else GEOMETRIC if name == GEOMETRIC.name else load(name or DEFAULT)
    check_model(model)
    return model


def _probability(model, protein: Protein, together: bool) -> np.ndarray:
    """Probability of each residue, float32 [R]."""
    if together or len(protein.chains) == 1:
        logit = np.asarray(model.outputs(protein)[HEAD], np.float64)[:, 0]
        return (1 / (1 + np.exp(-np.clip(logit, -500, 500)))).astype(np.float32)
    probability = np.empty(len(protein), np.float32)
    for chain in protein.chains:
        probability[protein.chain == chain] = _probability(model, protein.select_chain(chain), True)
    return probability
