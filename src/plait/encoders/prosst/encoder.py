"""`ProsstEncoder`: ProSST behind the interface that all encoders share."""

import torch

from plait.encoders.base import Encoder, Representation
from plait.encoders.prosst.configuration import ProsstConfig
from plait.encoders.prosst.features import ProsstBatch, prepare
from plait.encoders.prosst.modeling import ProsstForMaskedLM, ProsstModel
from plait.encoders.prosst.readout import ProsstReadout
from plait.references import PROSST
from plait.registry import register


@register("encoder")
class ProsstEncoder(Encoder):
    """The ProSST network without its language-model head.

    `tokenizer` is a `plait.tokenizers.base.Tokenizer`, set by who builds the encoder; `prepare` asks it for structure
    tokens that it is not given.
    """

    name = "prosst"
    summary = "Language model over residues whose attention also sees structure tokens"
    reference = PROSST.at("section 3.2, sequence-structure disentangled attention")
    Config = ProsstConfig

    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.config = config
        self.prosst = ProsstModel(config)
        self.tokenizer = None

    @classmethod
    def of(cls, model: ProsstForMaskedLM) -> "ProsstEncoder":
        """The encoder of a language model; they share their parameters and tokenizer."""
        encoder = cls.__new__(cls)  # without weights of its own
        super(ProsstEncoder, encoder).__init__()
        encoder.config, encoder.prosst, encoder.tokenizer = model.config, model.prosst, model.tokenizer
        return encoder.train(model.training)

    def prepare(self, proteins, *, structure_tokens=None, masked=None, **_) -> ProsstBatch:
        """See `plait.encoders.prosst.features.prepare`; inputs of other families are passed over."""
        return prepare(
            self.config, proteins, tokenizer=self.tokenizer, structure_tokens=structure_tokens, masked=masked
        )

    @property
    def width(self) -> int:
        return self.config.hidden_size

    def make_readout(self, heads: dict[str, int], protein_layers: int = 1) -> ProsstReadout:
        return ProsstReadout(self.config, self.prosst.embeddings.word_embeddings, heads, protein_layers)

    def forward(self, batch: ProsstBatch) -> Representation:
        """Last hidden states of residues [R, d], and their mean over each protein [B, d]."""
        ids, structure, mask = batch.pad()
        residue = batch.unpad(self.prosst(ids, structure, mask).last_hidden_state)
        lengths = batch.residue_offsets.diff()
        protein = torch.stack([part.mean(0) for part in residue.split(lengths.tolist())])
        return Representation(residue, protein, batch.residue_offsets)
