"""A model without a head for substitutions says so."""

import pytest
import torch

from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood import NeighbourhoodEncoder
from plait.errors import InputError
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.structure import read_structure


def test_a_model_of_sites_does_not_score(structures):
    torch.manual_seed(0)
    config = NeighbourhoodEncoder.Config(width=16, edge_width=8, layers=1, heads=2)
    model = Model(
        "tiny-sites", EncoderWithHeads(NeighbourhoodEncoder(config), {"binding_site": 1}), None, Scoring(), {}
    )
    protein = read_structure(structures / "1ubi.pdb")
    for ask in (model.score_matrix, model.log_probabilities):
        with pytest.raises(InputError, match=r"tiny-sites: this model does not score substitutions.*plait sites"):
            ask(protein)
