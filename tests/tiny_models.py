"""Networks so small that a test can make them, with random weights."""

import torch

from plait.encoders.prosst import ProsstConfig, ProsstForMaskedLM
from plait.models.ensemble import Ensemble
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.tokenizers.dssp import DSSPTokenizer


def tiny_ensemble(count: int = 3) -> Ensemble:
    """An ensemble of networks "tiny-0", "tiny-1", ... of 1000 (1 + number) parameters as their cards have it."""
    config = ProsstConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, ss_vocab_size=12,
        tokenizer="dssp", initializer_range=0.3,
    )  # fmt: skip
    members = []
    for number in range(count):
        torch.manual_seed(number)
        card = {"parameters": 1000 * (1 + number)}
        tokenizer = DSSPTokenizer(DSSPTokenizer.Config())
        members.append(Model(f"tiny-{number}", ProsstForMaskedLM(config), tokenizer, Scoring(weighting="burial"), card))
    return Ensemble("tiny", members, Scoring(weighting="burial"), {"trained_on": "nothing"})
