"""The transformers skins. Importing this package registers them for the Auto classes.

    import plait.hf
    model = AutoModelForMaskedLM.from_pretrained("AI4Protein/ProSST-2048")
    model = AutoModel.from_pretrained("folder/of/a/plait/model")

Nothing else in plait imports transformers. The networks are those of `plait.encoders`; what is here is what
transformers asks of a model.
"""

from plait.hf import encoders, prosst
from plait.hf.encoders import PlaitEncoderConfig, PlaitEncoderModel, PlaitEncoderOutput
from plait.hf.prosst import (
    ProSSTConfig,
    ProSSTForMaskedLM,
    ProSSTForSequenceClassification,
    ProSSTForTokenClassification,
    ProSSTMaskedLMOutput,
    ProSSTModel,
    ProSSTPreTrainedModel,
    ProSSTTokenizer,
)

__all__ = [
    "PlaitEncoderConfig",
    "PlaitEncoderModel",
    "PlaitEncoderOutput",
    "ProSSTConfig",
    "ProSSTForMaskedLM",
    "ProSSTForSequenceClassification",
    "ProSSTForTokenClassification",
    "ProSSTMaskedLMOutput",
    "ProSSTModel",
    "ProSSTPreTrainedModel",
    "ProSSTTokenizer",
    "encoders",
    "prosst",
]
