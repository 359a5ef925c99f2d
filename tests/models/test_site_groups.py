"""A residue's weight where the model of sites tells kinds of partners."""

import numpy as np
import pytest

from plait.config import from_dict, to_dict
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.errors import InputError
from plait.models.model import Model
from plait.models.scoring import Scoring, raised_by_sites, site_weight, touches_any
from plait.structure import read_structure

GENERATOR = np.random.default_rng(0)


def test_groups_by_hand():
    probability = np.array([[0.5, 0.2, 0.1, 0.9], [0.0, 0.0, 1.0, 0.3]])
    found = touches_any(probability, ("metal", "metal", "dna", ""))
    assert found == pytest.approx([1 - 0.5 * 0.9, 1.0])


def test_what_is_said_without_a_sign_counts_nothing():
    probability = np.array([[0.1, 0.2], [0.05, 0.6], [1.0, 0.0]])
    found = touches_any(probability, ("metal", "dna"), (0.1, 0.2))
    assert found == pytest.approx([0.0, 0.5, 1.0])  # by hand: (0.6 - 0.2) / 0.8
    for rates in ((0.1,), (0.1, 1.0), (-0.1, 0.2)):
        with pytest.raises(InputError, match="rates of partners"):
            touches_any(probability, ("metal", "dna"), rates)


def test_one_column_is_as_before_bit_for_bit():
    """The formula of decision 10, written out with the first column."""
    weight, logit = GENERATOR.uniform(0.1, 1, 500).astype(np.float32), GENERATOR.normal(0, 4, (500, 3)).astype("f4")
    probability = 1 / (1 + np.exp(-np.clip(np.asarray(logit[:, 0], np.float64), -500, 500)))
    expected = (1 - (1 - weight) * (1 - 0.8 * probability)).astype(np.float32)
    assert np.array_equal(raised_by_sites(weight, logit[:, 0], 0.8), expected)
    assert np.array_equal(raised_by_sites(weight, logit, 0.8), expected)
    assert np.allclose(raised_by_sites(weight, logit, 0.8, ("site", "", "")), expected, atol=1e-7)


def test_a_further_group_only_raises():
    weight, logit = GENERATOR.uniform(0.1, 1, 200), GENERATOR.normal(0, 2, (200, 2))
    one = raised_by_sites(weight, logit, 1.0, ("small-molecule", ""))
    two = raised_by_sites(weight, logit, 1.0, ("small-molecule", "metal"))
    assert (two >= one).all() and (two > one).any() and (two <= 1).all()


def test_a_model_reads_the_groups_of_its_scoring(structures):
    protein = read_structure(structures / "1ubi.pdb")
    config = NeighbourhoodConfig(width=16, edge_width=8, layers=1, heads=2)
    network = EncoderWithHeads(NeighbourhoodEncoder(config), {"binding_site": 2})
    scoring = from_dict(Scoring, to_dict(Scoring(weighting="exposure", sites=1.0, site_groups=("metal", "dna"))))
    model = Model("tiny", network, None, scoring, {})
    logit = model.outputs(protein)["binding_site"].astype(float)
    untouched = np.prod(1 - 1 / (1 + np.exp(-logit)), axis=1)
    expected = 1 - (1 - site_weight(protein, scoring)) * untouched
    assert model.site_weight(protein) == pytest.approx(expected, abs=1e-6)
    assert "touch a metal or dna" in model.describe_score()


@pytest.mark.parametrize("groups", [("a",), ("a", "b", "c"), ("", "")])
def test_groups_that_do_not_fit_are_refused(groups):
    with pytest.raises(InputError, match="groups of partners"):
        raised_by_sites(np.ones(5), np.zeros((5, 2)), 1.0, groups)
