"""ProSST as transformers classes; the networks are those of `plait.encoders.prosst`.

A folder or hub id of the published layout loads without remote code, although its `config.json` names some.
"""

import dataclasses
import os

import torch
from torch import nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizer,
)
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput, TokenClassifierOutput
from transformers.models.auto import tokenization_auto
from transformers.utils import ModelOutput

from plait.encoders.prosst.attention import RotaryEmbeddings
from plait.encoders.prosst.configuration import PUBLISHED_DEFAULTS, ProsstConfig
from plait.encoders.prosst.features import VOCABULARY
from plait.encoders.prosst.modeling import ProsstEmbeddings, ProsstHead, ProsstLayers, encode
from plait.errors import InputError

_FIELDS = {field.name: field for field in dataclasses.fields(ProsstConfig)}


class ProSSTConfig(PreTrainedConfig):
    """`ProsstConfig` for transformers: the same fields, the same defaults for new models.

    A `config.json` without `structure_to_residue` is of the published layout and read with its defaults: compat.
    """

    model_type = "ProSST"

    def __init__(self, **values):
        own = {name: values.pop(name) for name in list(values) if name in _FIELDS}
        for name, value in dataclasses.asdict(ProsstConfig(**own)).items():
            setattr(self, name, list(value) if isinstance(value, tuple) else value)
        super().__init__(**values)

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        if "structure_to_residue" not in config_dict:
            config_dict = PUBLISHED_DEFAULTS | config_dict
        return super().from_dict(config_dict, **kwargs)

    def plain(self) -> ProsstConfig:
        """The configuration of the plain modules."""
        return ProsstConfig(**{name: getattr(self, name) for name in _FIELDS})


class ProSSTPreTrainedModel(PreTrainedModel):
    """What transformers needs to know of every ProSST model."""

    config_class = ProSSTConfig
    base_model_prefix = "prosst"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _no_split_modules = ["ProsstLayer"]
    # the decoder is the word embedding, and a file may hold it a second time
    _keys_to_ignore_on_load_unexpected = [r"^cls\.predictions\.decoder\.weight$"]

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, RotaryEmbeddings):
            # models are built on the meta device, where a buffer has no values
            init.copy_(module.inv_freq, module.frequencies(2 * len(module.inv_freq)))

    def get_output_embeddings(self):
        # None, so that transformers does not look for a decoder to tie
        return None


class ProSSTModel(ProSSTPreTrainedModel):
    """Embeddings and layers; gives a `BaseModelOutput`."""

    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"^profile\.", r"^classifier\.", r"^pooler\."]

    def __init__(self, config: ProSSTConfig):
        super().__init__(config)
        plain = config.plain()
        self.embeddings = ProsstEmbeddings(plain)
        self.encoder = ProsstLayers(plain)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value):
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids,
        ss_input_ids=None,
        attention_mask=None,
        output_hidden_states=None,
        output_attentions=None,
        return_dict=None,
    ):
        output = encode(
            self.embeddings.config,
            self.embeddings,
            self.encoder,
            input_ids,
            ss_input_ids,
            attention_mask,
            _chosen(output_hidden_states, self.config.output_hidden_states),
            _chosen(output_attentions, self.config.output_attentions),
            self._gradient_checkpointing_func if self.gradient_checkpointing and self.training else None,
        )
        found = BaseModelOutput(output.last_hidden_state, output.hidden_states, output.attentions)
        return found if _chosen(return_dict, self.config.return_dict) else found.to_tuple()


@dataclasses.dataclass
class ProSSTMaskedLMOutput(ModelOutput):
    """`loss`, `logits` [B, L, vocab], `profile_logits` [B, L, 20] with `profile_head`, and what was asked for."""

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    profile_logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


class ProSSTForMaskedLM(ProSSTPreTrainedModel):
    """The language model. Tensors are named as in the published file."""

    def __init__(self, config: ProSSTConfig):
        super().__init__(config)
        self.prosst = ProSSTModel(config)
        self.cls = ProsstHead(config.plain())
        self.profile = nn.Linear(config.hidden_size, 20) if config.profile_head else None
        self.post_init()

    def forward(self, input_ids, ss_input_ids=None, attention_mask=None, labels=None, return_dict=None, **asked):
        output = self.prosst(input_ids, ss_input_ids, attention_mask, return_dict=True, **asked)
        transformed, logits = self.cls(output.last_hidden_state, self.get_input_embeddings().weight)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten().long())
        profile = None if self.profile is None else self.profile(transformed)
        found = ProSSTMaskedLMOutput(loss, logits, profile, output.hidden_states, output.attentions)
        return found if _chosen(return_dict, self.config.return_dict) else found.to_tuple()


class ProSSTPooler(nn.Module):
    """Mean over tokens, dropout, dense, tanh, dropout (spec B6)."""

    def __init__(self, config: ProSSTConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.pooler_hidden_size)
        self.dropout = nn.Dropout(config.pooler_dropout)

    def forward(self, hidden, attention_mask):
        if attention_mask is None:
            attention_mask = hidden.new_ones(hidden.shape[:2])
        weight = attention_mask.to(hidden.dtype)[:, :, None]
        mean = (hidden * weight).sum(1) / weight.sum(1)
        return self.dropout(torch.tanh(self.dense(self.dropout(mean))))


class ProSSTForSequenceClassification(ProSSTPreTrainedModel):
    """One answer for each protein."""

    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"^profile\."]

    def __init__(self, config: ProSSTConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.prosst = ProSSTModel(config)
        self.pooler = ProSSTPooler(config)
        self.classifier = nn.Linear(config.pooler_hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids, ss_input_ids=None, attention_mask=None, labels=None, return_dict=None, **asked):
        """`labels`: classes [B], several yes or no [B, labels], or numbers, by `config.problem_type`."""
        output = self.prosst(input_ids, ss_input_ids, attention_mask, return_dict=True, **asked)
        logits = self.classifier(self.pooler(output.last_hidden_state, attention_mask))
        loss = None if labels is None else self._loss(logits, labels)
        found = SequenceClassifierOutput(loss, logits, output.hidden_states, output.attentions)
        return found if _chosen(return_dict, self.config.return_dict) else found.to_tuple()

    def _loss(self, logits, labels):
        kind = self.config.problem_type
        if kind is None:
            whole = not labels.is_floating_point()
            kind = "single_label_classification" if whole and self.num_labels > 1 else "multi_label_classification"
            kind = "regression" if self.num_labels == 1 else kind
        if kind == "regression":
            return F.mse_loss(logits.reshape(labels.shape).float(), labels.float())
        if kind == "single_label_classification":
            return F.cross_entropy(logits.float(), labels.long().flatten())
        return F.binary_cross_entropy_with_logits(logits.float(), labels.float())


class ProSSTForTokenClassification(ProSSTPreTrainedModel):
    """One answer for each token; structure tokens are passed on, which the published head forgets (spec B10)."""

    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"^profile\."]

    def __init__(self, config: ProSSTConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.prosst = ProSSTModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids, ss_input_ids=None, attention_mask=None, labels=None, return_dict=None, **asked):
        """`labels`: classes [B, L], -100 where there is no loss."""
        output = self.prosst(input_ids, ss_input_ids, attention_mask, return_dict=True, **asked)
        logits = self.classifier(self.dropout(output.last_hidden_state))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten().long())
        found = TokenClassifierOutput(loss, logits, output.hidden_states, output.attentions)
        return found if _chosen(return_dict, self.config.return_dict) else found.to_tuple()


class ProSSTTokenizer(PreTrainedTokenizer):
    """Residue tokens: <cls>, one for each letter, <eos>.

    The published folders name EsmTokenizer, which makes one <unk> of a run of unknown letters, so that all that
    follows is shifted against the structure tokens (spec B2). Here every unknown letter is one <unk>.
    """

    vocab_files_names = {"vocab_file": "vocab.txt"}
    model_input_names = ["input_ids", "attention_mask"]

    def __init__(self, vocab_file=None, **kwargs):
        self._tokens = list(VOCABULARY)
        if vocab_file is not None:
            with open(vocab_file, encoding="utf-8") as lines:
                self._tokens = lines.read().split()
        if len(set(self._tokens)) != len(self._tokens) or not {"<pad>", "<cls>", "<eos>", "<unk>"} <= {*self._tokens}:
            raise InputError("not a vocabulary of residues", file=vocab_file, got=" ".join(self._tokens[:30]))
        self._ids = {token: number for number, token in enumerate(self._tokens)}
        special = {f"{name}_token": f"<{name}>" for name in ("pad", "cls", "eos", "unk", "mask")}
        super().__init__(**(special | kwargs))

    @property
    def vocab_size(self) -> int:
        return len(self._tokens)

    def get_vocab(self):
        return {**self._ids, **self.added_tokens_encoder}

    def _tokenize(self, text, **kwargs):
        return [letter for letter in text if not letter.isspace()]

    def _convert_token_to_id(self, token):
        return self._ids.get(token, self._ids["<unk>"])

    def _convert_id_to_token(self, index):
        return self._tokens[index] if 0 <= index < len(self._tokens) else "<unk>"

    def convert_tokens_to_string(self, tokens):
        return "".join(tokens)

    def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None):
        if token_ids_1 is not None:
            raise InputError("ProSST reads one sequence at a time", got="a pair of sequences")
        return [self.cls_token_id, *token_ids_0, self.eos_token_id]

    def get_special_tokens_mask(self, token_ids_0, token_ids_1=None, already_has_special_tokens=False):
        if already_has_special_tokens:
            return [int(token in self.all_special_ids) for token in token_ids_0]
        return [1, *[0] * len(token_ids_0), 1]

    def create_token_type_ids_from_sequences(self, token_ids_0, token_ids_1=None):
        return [0] * (len(token_ids_0) + 2)

    def save_vocabulary(self, save_directory, filename_prefix=None):
        path = os.path.join(save_directory, (f"{filename_prefix}-" if filename_prefix else "") + "vocab.txt")
        with open(path, "w", encoding="utf-8") as lines:
            lines.write("\n".join(self._tokens))
        return (path,)


def _chosen(value, default):
    return default if value is None else value


AutoConfig.register("ProSST", ProSSTConfig, exist_ok=True)
AutoModel.register(ProSSTConfig, ProSSTModel, exist_ok=True)
AutoModelForMaskedLM.register(ProSSTConfig, ProSSTForMaskedLM, exist_ok=True)
AutoModelForSequenceClassification.register(ProSSTConfig, ProSSTForSequenceClassification, exist_ok=True)
AutoModelForTokenClassification.register(ProSSTConfig, ProSSTForTokenClassification, exist_ok=True)
AutoTokenizer.register(ProSSTConfig, ProSSTTokenizer, exist_ok=True)
# The published tokenizer_config.json names EsmTokenizer, and AutoTokenizer believes it, except for the model types
# of this list, for which transformers itself knows that the name is wrong.
if hasattr(tokenization_auto, "MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS"):
    tokenization_auto.TOKENIZER_MAPPING_NAMES["ProSST"] = "ProSSTTokenizer"
    tokenization_auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS.add("ProSST")
