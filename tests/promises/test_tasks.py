"""What every registered task promises (architecture, rule 2)."""

import numpy as np
import pandas as pd
import pytest
import torch

from plait import registry
from plait.encoders.base import EncoderWithHeads
from plait.encoders.neighbourhood.configuration import NeighbourhoodConfig
from plait.encoders.neighbourhood.encoder import NeighbourhoodEncoder
from plait.encoders.prosst import ProsstConfig, ProsstForMaskedLM
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.tokenizers.dssp import DSSPTokenizer

TASKS = registry.parts("task")
pytestmark = pytest.mark.parametrize("name", TASKS)


@pytest.fixture
def model(request):
    """A model with the heads that the task reads."""
    torch.manual_seed(0)
    heads = getattr(TASKS[request.node.callspec.params["name"]], "heads", None)
    if heads is not None:
        encoder = NeighbourhoodEncoder(NeighbourhoodConfig(width=16, edge_width=8, layers=1, heads=2))
        card = {"classes": {head: [f"class {i}" for i in range(width)] for head, width in heads.items()}}
        return Model("tiny", EncoderWithHeads(encoder, heads), None, Scoring(), card)
    config = ProsstConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, ss_vocab_size=12,
        tokenizer="dssp", initializer_range=0.3,
    )  # fmt: skip
    return Model("tiny", ProsstForMaskedLM(config), DSSPTokenizer(DSSPTokenizer.Config()), Scoring(), {})


def ask(name, model, protein):
    return TASKS[name](TASKS[name].Config())(model, protein)


def test_every_residue_is_answered_or_excused(name, model, whole, gapped, two_chains, one_residue, backbone_only):
    for protein in (whole, gapped, two_chains, one_residue, backbone_only):
        result = ask(name, model, protein)
        if TASKS[name].answers == "chains":
            assert set(result.table["chain"]) == set(protein.chains)
            continue
        answered = set(zip(result.table["chain"], result.table["author_number"]))
        for index in range(len(protein)):
            place = (protein.chain[index], protein.residue_label(index))
            excused = any(place[1] in remark.text or place[1] in remark.place for remark in result.remarks)
            assert place in answered or excused, place


def test_both_numberings(name, model, two_chains):
    if TASKS[name].answers == "chains":
        pytest.skip("answers for chains, which have no numbers")
    table = ask(name, model, two_chains).table
    for chain in two_chains.chains:
        rows = two_chains.chain == chain
        labels = [two_chains.residue_label(i) for i in np.nonzero(rows)[0]]
        own = table[table["chain"] == chain].drop_duplicates("sequence_position").sort_values("sequence_position")
        assert own["sequence_position"].tolist() == list(range(1, rows.sum() + 1))
        assert own["author_number"].tolist() == labels


def test_the_same_alone_and_beside_another_chain(name, model, two_chains, keep):
    def check():
        together = ask(name, model, two_chains).table
        for chain in two_chains.chains:
            alone = ask(name, model, two_chains.select_chain(chain)).table
            part = together[together["chain"] == chain].reset_index(drop=True)
            pd.testing.assert_frame_equal(part, alone.reset_index(drop=True), atol=1e-5)

    keep(TASKS[name], "chains alone", check)


def test_turning_and_moving_changes_nothing(name, model, whole, moved):
    before, after = (in_order(ask(name, model, protein).table) for protein in (whole, moved(whole)))
    # float32 coordinates: a C-beta exactly at the radius may fall on either side, which no score shows here
    pd.testing.assert_frame_equal(before, after, atol=1e-4)


def in_order(table):
    """The rows in an order that does not hang on their values; without percentiles, as nearly equal scores swap."""
    table = table.drop(columns="percentile", errors="ignore")
    keys = [column for column in table if not pd.api.types.is_float_dtype(table[column])]
    return table.sort_values(keys).reset_index(drop=True)
