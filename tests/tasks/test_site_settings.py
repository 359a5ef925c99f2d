"""Settings that are chosen on complexes: where they are known, they are found."""

import numpy as np
import pytest

from plait.config import to_dict
from plait.data.complexes import Complexes, ComplexesConfig
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.tasks.binding_sites.predicting import SiteSettings
from plait.tasks.site_settings import LINKS, SHARES, choose_settings


class Knowing:
    """Binding residues have probabilities above 0.2, others below, whatever 0.5 may mean."""

    name, digest, card = "knowing", "0", {}

    def __init__(self, examples):
        config = NeighbourhoodConfig(width=16, edge_width=8, layers=1, heads=2)
        self.network = EncoderWithHeads(NeighbourhoodEncoder(config), {"binding_site": 1})
        self.answers = {}
        for number, example in enumerate(examples):
            noise = np.random.default_rng(number).uniform(0, 0.19, len(example.protein))
            probability = noise + 0.205 * example.labels["binding_site"]
            self.answers[example.id] = np.log(probability / (1 - probability))

    def outputs(self, protein):
        assert len(protein.hetero) == 0
        return {"binding_site": self.answers[protein.source][:, None]}


@pytest.fixture(scope="module")
def examples(shared):
    dataset = Complexes(ComplexesConfig(folder=str(shared / "data" / "complexes"), split="valid", copies="drop"))
    return [dataset[index] for index in np.argsort(dataset.lengths)[:6]]


def test_a_known_threshold_is_found(examples):
    settings, tried = choose_settings(Knowing(examples), examples)
    assert 0.19 < settings.threshold < 0.21
    assert len(tried) == len(SHARES) * len(LINKS)
    best = max(one["dcc_top3"] for one in tried)
    chosen = [one for one in tried if abs(one["pocket_threshold"] - settings.pocket_threshold) < 1e-3]
    assert max(one["dcc_top3"] for one in chosen if one["link"] == settings.link) == best > 0.5


def test_what_is_chosen_fits_a_card(examples):
    model = Knowing(examples)
    settings, _ = choose_settings(model, examples)
    model.card = {"binding_sites": to_dict(settings)}
    assert SiteSettings.of(model) == settings
