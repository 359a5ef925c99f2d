"""From which probability on a residue counts as binding, and how pockets are joined: chosen on validation complexes."""

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from plait.data.base import Example
from plait.structure.protein import Hetero
from plait.tasks.binding_sites.pockets import points_of_residues, ranked_pockets
from plait.tasks.binding_sites.predicting import SiteSettings, find
from plait.tasks.pocket_metrics import centre_distances, found_within, rank_of_first
from plait.tasks.site_metrics import best_threshold

SHARES = (0.4, 0.6, 0.8, 1.0, 1.3)
"""Thresholds for pockets that are tried, over the one of highest IoU."""

LINKS = (2.0, 3.0, 4.0)
"""Distances (angstrom) at which points are joined that are tried."""


def choose_settings(
    model, examples: Sequence[Example], *, progress: Callable[[Iterable], Iterable] = iter
) -> tuple[SiteSettings, list[dict]]:
    """Settings for a model with the head for binding sites.

    Parameters
    ----------
    model : Model
    examples : sequence of Example
        Of the data set `complexes`, split valid: with ligands and the label "binding_site".
    progress : callable, optional
        Wraps the examples.

    Returns
    -------
    SiteSettings
        The threshold of highest mean IoU over proteins; then the threshold for pockets and the distance with the
        most ligands whose centre is within 4 angstrom of one of the first three pockets (DCC), by DCA where equal. To
        be written into the model's card as "binding_sites".
    list of dict
        What was tried: `pocket_threshold`, `link`, `dcc_top3`, `dca_top3` (shares of ligands).
    """
    proteins = [example.protein.replace(hetero=Hetero.empty()) for example in examples]
    probability = [
        find(model, protein, SiteSettings(pocket_threshold=2.0)).probability for protein in progress(proteins)
    ]
    scores = [one.astype(np.float64) for one in probability]
    threshold, _ = best_threshold(scores, [example.labels["binding_site"] for example in examples])
    fewest, tried = SiteSettings().fewest, []
    for share in SHARES:
        points = [points_of_residues(*pair, threshold * share) for pair in zip(proteins, probability, strict=True)]
        for link in LINKS:
            centres = [[one.centre for one in ranked_pockets(each, link=link, fewest=fewest)] for each in points]
            ranks = np.array(list(itertools.chain(*map(_ranks, examples, centres)))).reshape(-1, 2)
            dca, dcc = (float(found_within(ranks[:, column], 3).mean()) for column in (0, 1))
            tried.append({"pocket_threshold": threshold * share, "link": link, "dcc_top3": dcc, "dca_top3": dca})
    best = max(tried, key=lambda one: (one["dcc_top3"], one["dca_top3"]))
    chosen = {name: round(float(best[name]), 4) for name in ("pocket_threshold", "link")}
    return SiteSettings(threshold=round(threshold, 4), fewest=fewest, **chosen), tried


def _ranks(example: Example, centres: list) -> list[tuple[int, int]]:
    """For each ligand, rank of the first pocket by DCA and by DCC."""
    hetero = example.protein.hetero
    distances = [
        centre_distances(np.array(centres).reshape(-1, 3), hetero.position[hetero.group == group])
        for group in np.unique(hetero.group)
    ]
    return [(rank_of_first(dca), rank_of_first(dcc)) for dca, dcc in distances]
