"""From which probability on a residue counts as binding, and how pockets are joined: chosen on validation complexes."""

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from plait.data.base import Example
from plait.data.site_labels import atom_sites
from plait.structure.protein import Hetero, Protein
from plait.tasks.binding_sites.pockets import (
    SitePoints,
    likely,
    points_of_cavities,
    points_of_residues,
    ranked_pockets,
)
from plait.tasks.binding_sites.predicting import SiteSettings, find
from plait.tasks.pocket_metrics import centre_distances, found_within, rank_of_first
from plait.tasks.site_metrics import best_threshold

SHARES = (0.4, 0.6, 0.8, 1.0, 1.3)
"""Thresholds for pockets that are tried, over the one of highest IoU."""

SURFACE_LINKS = (2.0, 3.0, 4.0)
CAVITY_LINKS = (1.8, 2.5)
"""Distances (angstrom) at which points are joined that are tried, by kind of points."""

FEWEST = SiteSettings().fewest


def choose_settings(
    model, examples: Sequence[Example], *, cutoff: float = 4.0, progress: Callable[[Iterable], Iterable] = iter
) -> tuple[SiteSettings, list[dict]]:
    """Settings for a model with the head for binding sites.

    Parameters
    ----------
    model : Model
    examples : sequence of Example
        Of the data set `complexes`, split valid: with ligands and the label "binding_site".
    cutoff : float, angstrom
        That of the labels, for atoms.
    progress : callable, optional
        Wraps the examples.

    Returns
    -------
    SiteSettings
        The thresholds of highest mean IoU of residues and of atoms over proteins; then the kind of points, the
        threshold for pockets and the distance with the most ligands whose centre (DCC) or an atom (DCA) is within 4
        angstrom of one of the first three pockets, both counted. To be written into the model's card as
        "binding_sites".
    list of dict
        What was tried: `points`, `pocket_threshold`, `link`, `dcc_top3`, `dca_top3` (shares of ligands).
    """
    proteins = [example.protein.replace(hetero=Hetero.empty()) for example in examples]
    found = [find(model, protein, SiteSettings(pocket_threshold=2.0)) for protein in progress(proteins)]
    probability = [one.probability for one in found]
    scores = [one.astype(np.float64) for one in probability]
    true = [example.labels["binding_site"] for example in examples]
    threshold, _ = best_threshold(scores, true)
    atom_threshold = SiteSettings().atom_threshold
    if found and found[0].atoms is not None:
        sites = [atom_sites(example.protein, label, cutoff) for example, label in zip(examples, true, strict=True)]
        atom_threshold, _ = best_threshold([one.atoms.astype(np.float64) for one in found], sites)
    tried = []
    for kind, pairs in (("surface", SURFACE_LINKS), ("cavities", CAVITY_LINKS)):
        made = [_points(kind, *pair, threshold * min(SHARES)) for pair in zip(proteins, probability, strict=True)]
        for share, link in itertools.product(SHARES, pairs):
            points = [likely(each, threshold * share) for each in made]
            centres = [[one.centre for one in ranked_pockets(each, link=link, fewest=FEWEST)] for each in points]
            ranks = np.array(list(itertools.chain(*map(_ranks, examples, centres)))).reshape(-1, 2)
            dca, dcc = (float(found_within(ranks[:, column], 3).mean()) for column in (0, 1))
            tried.append(
                {"points": kind, "pocket_threshold": threshold * share, "link": link, "dcc_top3": dcc, "dca_top3": dca}
            )
    best = max(tried, key=lambda one: one["dcc_top3"] + one["dca_top3"])
    settings = SiteSettings(
        threshold=round(threshold, 4),
        points=best["points"],
        pocket_threshold=round(float(best["pocket_threshold"]), 4),
        atom_threshold=round(float(atom_threshold), 4),
        link=best["link"],
        fewest=FEWEST,
    )
    return settings, tried


def _points(kind: str, protein: Protein, probability: np.ndarray, threshold: float) -> SitePoints:
    if kind == "surface":
        return points_of_residues(protein, probability, threshold)
    return points_of_cavities(protein, probability)


def _ranks(example: Example, centres: list) -> list[tuple[int, int]]:
    """For each ligand, rank of the first pocket by DCA and by DCC."""
    hetero = example.protein.hetero
    distances = [
        centre_distances(np.array(centres).reshape(-1, 3), hetero.position[hetero.group == group])
        for group in np.unique(hetero.group)
    ]
    return [(rank_of_first(dca), rank_of_first(dcc)) for dca, dcc in distances]
