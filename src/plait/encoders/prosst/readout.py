"""The heads that a ProSST encoder is trained with, and the whole language model out of encoder and heads."""

import torch
from torch import nn

from plait.encoders.base import LinearReadout, Representation
from plait.encoders.prosst.configuration import ProsstConfig
from plait.encoders.prosst.features import RESIDUE_COLUMNS
from plait.encoders.prosst.modeling import ProsstForMaskedLM, ProsstHead


class ProsstReadout(nn.Module):
    """The language-model head ("residue_type", tied to the word embeddings), the profile head ("profile") and linear
    layers for whatever else is asked.

    Parameters
    ----------
    embeddings : torch.nn.Embedding
        The encoder's word embeddings, used and not owned.
    """

    def __init__(self, config: ProsstConfig, embeddings: nn.Embedding, heads: dict[str, int], protein_layers: int = 1):
        super().__init__()
        self.cls = ProsstHead(config)
        for module in self.cls.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=config.initializer_range)
                nn.init.zeros_(module.bias)
        self.profile = nn.Linear(config.hidden_size, 20) if "profile" in heads else None
        others = {name: classes for name, classes in heads.items() if name not in ("residue_type", "profile")}
        self.others = LinearReadout(config.hidden_size, others, protein_layers)
        self._embeddings = (embeddings,)  # in a tuple, so that it is no submodule

    def output_biases(self) -> dict[str, tuple[nn.Parameter, slice]]:
        """As of `LinearReadout`; the tied language-model head has none."""
        own = {} if self.profile is None else {"profile": (self.profile.bias, slice(None))}
        return {**own, **self.others.output_biases()}

    def forward(self, representation: Representation) -> dict[str, torch.Tensor]:
        transformed, logits = self.cls(representation.residue, self._embeddings[0].weight)
        outputs = {"residue_type": logits[:, RESIDUE_COLUMNS], **self.others(representation)}
        if self.profile is not None:
            outputs["profile"] = self.profile(transformed)
        return outputs


def language_model(config: ProsstConfig, encoder: nn.Module, readout: ProsstReadout) -> ProsstForMaskedLM:
    """The language model that an encoder and its readout make; tensors are copied."""
    model = ProsstForMaskedLM(config)
    state = {f"prosst.{name}": tensor for name, tensor in encoder.prosst.state_dict().items()}
    state |= {f"cls.{name}": tensor for name, tensor in readout.cls.state_dict().items()}
    if readout.profile is not None:
        state |= {f"profile.{name}": tensor for name, tensor in readout.profile.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()
