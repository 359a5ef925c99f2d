"""Settings that are chosen on complexes: where they are known, they are found."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from plait.config import to_dict
from plait.data.complexes import Complexes, ComplexesConfig
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.errors import InputError
from plait.structure.protein import Hetero
from plait.tasks.binding_sites.pockets import Pocket
from plait.tasks.binding_sites.predicting import SiteSettings
from plait.tasks.site_settings import CAVITY_SHARES, LINKS, RADII, SHARES, choose_settings, holds_ligand, pocket_odds


class Knowing:
    """Binding residues have probabilities above 0.2, others below, whatever 0.5 may mean."""

    name, digest, card = "knowing", "0", {}

    def __init__(self, examples, atoms=False):
        config = NeighbourhoodConfig(width=16, edge_width=8, layers=1, heads=2)
        self.network = EncoderWithHeads(NeighbourhoodEncoder(config), {"binding_site": 1})
        self.answers, self.atoms = {}, {}
        for number, example in enumerate(examples):
            noise = np.random.default_rng(number).uniform(0, 0.19, len(example.protein))
            probability = noise + 0.205 * example.labels["binding_site"]
            self.answers[example.id] = np.log(probability / (1 - probability))
            if atoms:
                protein = example.protein
                near = cdist(protein.position, protein.hetero.position).min(1) < 4
                probability = np.random.default_rng(number).uniform(0, 0.29, len(near)) + np.where(near, 0.705, 0.4)
                self.atoms[example.id] = np.log(probability / (1 - probability))

    def outputs(self, protein):
        assert len(protein.hetero) == 0
        heads = {"binding_site": self.answers, "atom_binding_site": self.atoms}
        return {name: of[protein.source][:, None] for name, of in heads.items() if of}


@pytest.fixture(scope="module")
def examples(shared):
    dataset = Complexes(ComplexesConfig(folder=str(shared / "data" / "complexes"), split="valid", copies="drop"))
    return [dataset[index] for index in np.argsort(dataset.lengths)[:6]]


def test_a_known_threshold_is_found(examples):
    settings, tried = choose_settings(Knowing(examples), examples)
    assert 0.19 < settings.threshold < 0.21
    assert len(tried) == len(SHARES) * len(LINKS) + len(CAVITY_SHARES) * len(RADII)
    best = max(tried, key=lambda one: one["dcc_top3"] + one["dca_top3"])
    assert best["points"] == settings.points
    assert best.get("link", settings.link) == settings.link and best.get("radius", settings.radius) == settings.radius
    assert abs(best["pocket_threshold"] - settings.pocket_threshold) < 1e-3
    assert best["dcc_top3"] > 0.5
    assert settings.atom_threshold == SiteSettings().atom_threshold  # nothing was said of atoms


def test_the_threshold_of_atoms_is_found_too(examples):
    settings, _ = choose_settings(Knowing(examples, atoms=True), examples)
    assert 0.66 < settings.atom_threshold < 0.71


def test_labels_without_ligands_choose_thresholds_alone(examples, recwarn):
    bare = [dataclasses.replace(e, protein=e.protein.replace(hetero=Hetero.empty())) for e in examples]
    settings, tried = choose_settings(Knowing(examples), bare)
    assert 0.19 < settings.threshold < 0.21
    assert settings == SiteSettings(threshold=settings.threshold, pocket_threshold=settings.threshold)
    assert tried == []
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_what_is_chosen_fits_a_card(examples):
    model = Knowing(examples)
    settings, _ = choose_settings(model, examples)
    model.card = {"binding_sites": to_dict(settings)}
    assert SiteSettings.of(model) == settings


# -- how likely a pocket holds a ligand


def pockets_by_odds(example, intercept: float, slope: float, count: int):
    """Pockets of random scores, each at a ligand's atom with the probability that the odds say, else far away."""
    generator = np.random.default_rng(0)
    scores = np.exp(generator.normal(0, 2, count))
    met = generator.random(count) < 1 / (1 + np.exp(-(intercept + slope * np.log(scores))))
    near, far = example.protein.hetero.position[0], example.protein.position.max(0) + 50
    return [
        Pocket(rank, score, near if one else far, np.arange(3)) for rank, (score, one) in enumerate(zip(scores, met), 1)
    ]


def test_odds_of_pockets_are_found_again(examples):
    """4,000 draws: the standard errors are about 0.06 and 0.04."""
    example = examples[0]
    intercept, slope = pocket_odds([(example, pockets_by_odds(example, -1.0, 0.8, 4000))])
    assert abs(intercept + 1.0) < 0.25 and abs(slope - 0.8) < 0.15


def test_no_odds_where_all_pockets_are_alike(examples):
    example = examples[0]
    pockets = pockets_by_odds(example, 0.0, 1.0, 40)
    met = holds_ligand(example, pockets)
    assert met.any() and not met.all()
    for same in (True, False):
        assert (
            pocket_odds([(example, [pocket for pocket, one in zip(pockets, met, strict=True) if one == float(same)])])
            == ()
        )
    assert pocket_odds([(example, [])]) == ()
    assert np.isnan(SiteSettings().pocket_probability([1.0, 2.0])).all()


def test_a_pocket_holds_a_ligand_up_to_the_distance(examples):
    example, ligand = examples[0], examples[0].protein.hetero.position
    outermost = ligand[ligand[:, 0].argmax()]
    centres = [outermost + [3.9, 0, 0], outermost + [4.1, 0, 0]]
    pockets = [Pocket(rank, 1.0, centre, np.arange(3)) for rank, centre in enumerate(centres, 1)]
    assert holds_ligand(example, pockets).tolist() == [1, 0]
    unknown = dataclasses.replace(example, labels={"binding_site": np.full(len(example.protein), np.nan)})
    assert np.isnan(holds_ligand(unknown, pockets)).all()


def test_probability_by_hand():
    settings = SiteSettings(pocket_odds=(-1.0, 0.5))
    odds = np.exp(-1.0) * np.array([1.0, 4.0]) ** 0.5
    assert np.allclose(settings.pocket_probability([1.0, 4.0]), odds / (1 + odds), rtol=1e-12)
    assert settings.pocket_probability([0.0])[0] < 1e-3
    with pytest.raises(InputError, match="pocket_odds"):
        SiteSettings(pocket_odds=(1.0,))
