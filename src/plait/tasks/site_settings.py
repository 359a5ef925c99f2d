"""From which probability on a residue counts as binding, how pockets are joined, and how likely they hold a ligand:
chosen on validation complexes."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from plait.data.base import Example
from plait.data.site_labels import atom_sites
from plait.structure.protein import Hetero
from plait.tasks.binding_sites.partners import FIRST, Partner
from plait.tasks.binding_sites.pockets import (
    MOST,
    Pocket,
    SitePoints,
    densest_pockets,
    likely,
    points_of_cavities,
    points_of_residues,
    ranked_pockets,
)
from plait.tasks.binding_sites.predicting import SiteSettings, find
from plait.tasks.pocket_metrics import CUTOFF, centre_distances, found_within, rank_of_first
from plait.tasks.site_metrics import best_threshold

SHARES = (0.4, 0.6, 0.8, 1.0, 1.3)
"""Thresholds for pockets that are tried, over the one of highest IoU."""

LINKS = (2.0, 3.0, 4.0)
"""Distances (angstrom) at which points are joined that are tried."""

CAVITY_SHARES = (0.1, 0.3)
RADII = (5.0, 6.0, 7.0)
"""The same of points in cavities, and radii (angstrom) of pockets."""

FEWEST = SiteSettings().fewest

FEWER = 0.1
"""Where pockets are surfaces of labelled residues: as many of the proteins may have sites of fewer residues than a
pocket needs, as those of metals have, if that is less than `FEWEST`."""


def choose_settings(
    model,
    examples: Sequence[Example],
    *,
    cutoff: float = 4.0,
    partner: Partner = FIRST,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[SiteSettings, list[dict]]:
    """Settings for a model with the head for binding sites.

    Parameters
    ----------
    model : Model
    examples : sequence of Example
        Of the data set `complexes`, split valid: with ligands and the label "binding_site"; or with the label alone.
    cutoff : float, angstrom
        That of the labels, for atoms.
    partner : Partner
        What is asked about; labels [R, kinds] are read in its columns.
    progress : callable, optional
        Wraps the examples.

    Returns
    -------
    SiteSettings
        The thresholds of highest mean IoU of residues and of atoms over proteins; then the kind of points, the
        threshold for pockets and the distance or radius with the most ligands whose centre (DCC) or an atom (DCA) is
        within 4 angstrom of one of the first three pockets, both counted; then the odds that a pocket of a score holds
        a ligand. To be written into the model's card as "binding_sites". Where no example has a ligand (labels of
        residues from elsewhere), pockets are the surface of the residues above their threshold, of `FEWEST` residues or
        of as few as the sites of some proteins have.
    list of dict
        What was tried: `points`, `pocket_threshold`, `link` or `radius`, `dcc_top3`, `dca_top3` (shares of ligands).
    """
    proteins = [example.protein.replace(hetero=Hetero.empty()) for example in examples]
    found = [
        find(model, protein, SiteSettings(pocket_threshold=2.0), partner=partner) for protein in progress(proteins)
    ]
    probability = [one.probability for one in found]
    scores = [one.astype(np.float64) for one in probability]
    true = [partner.label(example.labels["binding_site"]) for example in examples]
    threshold, _ = best_threshold(scores, true)
    atom_threshold = SiteSettings().atom_threshold
    if found and found[0].atoms is not None:
        sites = [atom_sites(example.protein, label, cutoff) for example, label in zip(examples, true, strict=True)]
        atom_threshold, _ = best_threshold([one.atoms.astype(np.float64) for one in found], sites)
    thresholds = {"threshold": round(threshold, 4), "atom_threshold": round(float(atom_threshold), 4)}
    if not any(len(example.protein.hetero) for example in examples):
        fewest = min(FEWEST, int(np.quantile([np.nansum(one) for one in true], FEWER)))
        return SiteSettings(pocket_threshold=round(threshold, 4), fewest=max(1, fewest), **thresholds), []
    surface = [points_of_residues(*pair, threshold * min(SHARES)) for pair in zip(proteins, probability, strict=True)]
    cavities = [points_of_cavities(*pair) for pair in zip(proteins, probability, strict=True)]
    choices = [
        *({"points": "surface", "pocket_threshold": threshold * s, "link": x} for s in SHARES for x in LINKS),
        *({"points": "cavities", "pocket_threshold": threshold * s, "radius": x} for s in CAVITY_SHARES for x in RADII),
    ]
    tried = [choice | _reached(choice, {"surface": surface, "cavities": cavities}, examples) for choice in choices]
    best = max(tried, key=lambda one: one["dcc_top3"] + one["dca_top3"])
    chosen = {name: best[name] for name in ("points", "link", "radius") if name in best}
    odds = pocket_odds(list(_pockets(best, {"surface": surface, "cavities": cavities}, examples, MOST)))
    settings = SiteSettings(
        pocket_threshold=round(float(best["pocket_threshold"]), 4),
        fewest=FEWEST,
        pocket_odds=tuple(round(one, 4) for one in odds),
        **thresholds,
        **chosen,
    )
    return settings, tried


def pocket_odds(found: Sequence[tuple[Example, Sequence[Pocket]]]) -> tuple[float, ...]:
    """Intercept and slope of the log-odds that a pocket holds a ligand on the logarithm of its score, those of highest
    likelihood with a little shrinkage (one pocket met and one missed at the mean); empty if all or none are met.

    Parameters
    ----------
    found : sequence of (Example, sequence of Pocket)
        Complexes with ligands, and the pockets predicted for them. One holds a ligand if `CUTOFF` angstrom or less from
        its centre is a heavy atom of one (DCA).
    """
    from scipy.optimize import minimize
    from scipy.special import expit, log_expit

    score = np.log([max(pocket.score, 1e-12) for _, pockets in found for pocket in pockets])
    met = np.concatenate([np.zeros(0), *(holds_ligand(example, pockets) for example, pockets in found)])
    score, met = score[np.isfinite(met)], met[np.isfinite(met)]
    if not met.any() or met.all():
        return ()
    middle = score.mean()
    score, sign = np.append(score - middle, [0.0, 0.0]), np.append(2 * met - 1, [1.0, -1.0])

    def loss(odds):
        margin = sign * (odds[0] + odds[1] * score)
        slope = -sign * expit(-margin)
        return -log_expit(margin).sum(), np.array([slope.sum(), (slope * score).sum()])

    intercept, slope = minimize(loss, [0.0, 0.0], jac=True).x
    return float(intercept - slope * middle), float(slope)


def holds_ligand(example: Example, pockets: Sequence[Pocket]) -> np.ndarray:
    """Whether a heavy atom of a ligand is at most `CUTOFF` angstrom from the centre of each pocket: float64 [P], 1 or
    0, NaN where the pocket's residues have no label, as those of a copy without its ligand."""
    if not len(pockets):
        return np.zeros(0)
    known = np.isfinite(example.labels["binding_site"].reshape(len(example.protein), -1)).any(1)
    to_atoms, _ = centre_distances([pocket.centre for pocket in pockets], example.protein.hetero.position)
    return np.where([known[pocket.residues].any() for pocket in pockets], to_atoms <= CUTOFF, np.nan)


def _pockets(choice: dict, made: dict[str, list[SitePoints]], examples: Sequence[Example], most: int):
    """Each example with its pockets, `most` of those in cavities."""
    for example, points in zip(examples, made[choice["points"]], strict=True):
        points = likely(points, choice["pocket_threshold"])
        if choice["points"] == "surface":
            yield example, ranked_pockets(points, link=choice["link"], fewest=FEWEST)
        else:
            yield example, densest_pockets(points, radius=choice["radius"], fewest=FEWEST, most=most)


def _reached(choice: dict, made: dict[str, list[SitePoints]], examples: Sequence[Example]) -> dict[str, float]:
    """Shares of ligands that one of the first three pockets meets."""
    ranks = []
    for example, pockets in _pockets(choice, made, examples, most=3):
        ranks += _ranks(example, [pocket.centre for pocket in pockets])
    dca, dcc = np.array(ranks).reshape(-1, 2).T
    return {"dcc_top3": float(found_within(dcc, 3).mean()), "dca_top3": float(found_within(dca, 3).mean())}


def _ranks(example: Example, centres: list) -> list[tuple[int, int]]:
    """For each ligand, rank of the first pocket by DCA and by DCC."""
    hetero = example.protein.hetero
    distances = [
        centre_distances(np.array(centres).reshape(-1, 3), hetero.position[hetero.group == group])
        for group in np.unique(hetero.group)
    ]
    return [(rank_of_first(dca), rank_of_first(dcc)) for dca, dcc in distances]
