"""ProSST: a language model over residues whose attention also sees structure tokens."""

from plait.encoders.prosst.configuration import ProsstConfig
from plait.encoders.prosst.encoder import ProsstEncoder
from plait.encoders.prosst.features import ProsstBatch
from plait.encoders.prosst.modeling import ProsstForMaskedLM, ProsstModel, ProsstOutput

__all__ = ["ProsstBatch", "ProsstConfig", "ProsstEncoder", "ProsstForMaskedLM", "ProsstModel", "ProsstOutput"]
