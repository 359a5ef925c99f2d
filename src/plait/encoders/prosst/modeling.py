"""The ProSST language model as plain modules. Names of parts are those of the published tensors (spec B7)."""

import dataclasses

import torch
from torch import nn
from torch.nn import functional as F

from plait.encoders.prosst.attention import ProsstSelfAttention, sequence_spans
from plait.encoders.prosst.configuration import ProsstConfig
from plait.encoders.prosst.features import RESIDUE_COLUMNS, ProsstBatch, prepare
from plait.errors import InputError

ACTIVATIONS = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}
IN_PLACE = {"gelu": torch.ops.aten.gelu_, "relu": torch.relu_, "silu": torch.ops.aten.silu_}
"""The same, written over what they are given."""


@dataclasses.dataclass
class ProsstOutput:
    """What the language model gives.

    Attributes
    ----------
    logits : float [B, L, vocab]
    loss : float or None
        Mean cross-entropy in nats over the labels that are not -100.
    profile_logits : float [B, L, 20] or None
        With `profile_head`; residues in the order of `vocabulary.RESIDUES`.
    last_hidden_state : float [B, L, D]
    hidden_states : tuple of float [B, L, D] or None
        The embeddings and the output of each layer.
    attentions : tuple of float [B, H, L, L] or None
    """

    logits: torch.Tensor | None = None
    loss: torch.Tensor | None = None
    profile_logits: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


class ProsstEmbeddings(nn.Module):
    """Residue and structure tokens to vectors (spec B3)."""

    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.config = config
        width, eps = config.hidden_size, config.layer_norm_eps
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.LayerNorm = nn.LayerNorm(width, eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        if config.has_structure:
            self.ss_embeddings = nn.Embedding(config.ss_vocab_size, width)
            self.ss_layer_norm = nn.LayerNorm(width, eps)

    def forward(self, input_ids, ss_input_ids, real):
        """Hidden states and structure states (or None), [B, L, D]; `real` is a bool [B, L]."""
        words = self.word_embeddings(input_ids)
        if self.config.token_dropout:
            masked = input_ids == self.config.mask_token_id
            observed = masked.sum(-1, keepdim=True) / real.sum(-1, keepdim=True).clamp(min=1)
            rescale = (1 - 0.8 * self.config.mlm_probability) / (1 - observed)
            words = words.masked_fill(masked[:, :, None], 0) * rescale[:, :, None].to(words.dtype)
        hidden = self.dropout(self.LayerNorm(words) * real[:, :, None])
        structure = None
        if self.config.has_structure:
            structure = self.ss_layer_norm(self.ss_embeddings(ss_input_ids))
            structure = self.dropout(structure * real[:, :, None])
            if self.config.structure_input:
                hidden = hidden + structure
        return hidden, structure


class ProsstAddNorm(nn.Module):
    """Dense layer, dropout, residual and layer norm, after attention or after the feed-forward block."""

    def __init__(self, config: ProsstConfig, width: int):
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, update, residual):
        return self.LayerNorm(self.dropout(self.dense(update)) + residual)


class ProsstAttention(nn.Module):
    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.self = ProsstSelfAttention(config)
        self.output = ProsstAddNorm(config, config.hidden_size)


class ProsstIntermediate(nn.Module):
    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation, self.in_place = ACTIVATIONS[config.hidden_act], IN_PLACE[config.hidden_act]

    def forward(self, hidden):
        return (self.activation if torch.is_grad_enabled() else self.in_place)(self.dense(hidden))


class ProsstLayer(nn.Module):
    """Attention and feed-forward block, each followed by its norm."""

    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.attention = ProsstAttention(config)
        self.intermediate = ProsstIntermediate(config)
        self.output = ProsstAddNorm(config, config.intermediate_size)

    def forward(self, hidden, structure, positions, mask, spans, return_probabilities=False):
        context, probabilities = self.attention.self(hidden, structure, positions, mask, spans, return_probabilities)
        hidden = self.attention.output(context, hidden)
        return self.output(self.intermediate(hidden), hidden), probabilities


class ProsstLayers(nn.Module):
    """All layers, and the position table that they share."""

    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.layer = nn.ModuleList(ProsstLayer(config) for _ in range(config.num_hidden_layers))
        if config.relative_attention:
            self.rel_embeddings = nn.Embedding(2 * config.table_reach, config.hidden_size)

    def forward(self, hidden, structure, mask, output_hidden_states=False, output_attentions=False, checkpoint=None):
        """Last hidden state, and tuples of all hidden states and attentions (or None).

        `checkpoint(function, *arguments)` is called in place of each layer, if given: gradient checkpointing.
        """
        positions = self.rel_embeddings.weight if hasattr(self, "rel_embeddings") else None
        spans = sequence_spans(mask, hidden.dtype) if mask.dim() == 2 else None
        all_hidden, all_attentions = [hidden], []
        for layer in self.layer:
            arguments = (hidden, structure, positions, mask, spans, output_attentions)
            hidden, probabilities = layer(*arguments) if checkpoint is None else checkpoint(layer, *arguments)
            if output_hidden_states:
                all_hidden.append(hidden)
            if output_attentions:
                all_attentions.append(probabilities)
        return (
            hidden,
            tuple(all_hidden) if output_hidden_states else None,
            tuple(all_attentions) if output_attentions else None,
        )


class ProsstTransform(nn.Module):
    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, hidden):
        return self.LayerNorm(self.activation(self.dense(hidden)))


class ProsstPredictions(nn.Module):
    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.transform = ProsstTransform(config)


class ProsstHead(nn.Module):
    """Logits from hidden states (spec B6). The decoder is the word embedding itself and no tensor of its own."""

    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.predictions = ProsstPredictions(config)

    def forward(self, hidden, word_embeddings):
        """Transformed states [B, L, D] and logits [B, L, vocab]."""
        transformed = self.predictions.transform(hidden)
        return transformed, F.linear(transformed, word_embeddings)


class ProsstModel(nn.Module):
    """Embeddings and layers, without a head. `forward` gives a `ProsstOutput` without logits."""

    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.config = config
        self.embeddings = ProsstEmbeddings(config)
        self.encoder = ProsstLayers(config)
        initialise(self, config)

    def forward(
        self, input_ids, ss_input_ids=None, attention_mask=None, output_hidden_states=False, output_attentions=False
    ) -> ProsstOutput:
        return encode(
            self.config, self.embeddings, self.encoder, input_ids, ss_input_ids, attention_mask,
            output_hidden_states, output_attentions,
        )  # fmt: skip


class ProsstForMaskedLM(nn.Module):
    """The language model with its head.

    `state_dict()` has exactly the published names (spec B7), and `profile.weight`, `profile.bias` with `profile_head`.
    `tokenizer` is a `plait.tokenizers.base.Tokenizer`, set by who builds the model; `prepare` and `log_probabilities`
    ask it for structure tokens that they are not given.

    Parameters
    ----------
    input_ids : int64 [B, L]
    ss_input_ids : int64 [B, L], needed where the config has structure
    attention_mask : [B, L], 1 for real tokens, or [B, L, L] of pairs; all ones if not given
    labels : int64 [B, L], -100 where there is no loss
    """

    def __init__(self, config: ProsstConfig):
        super().__init__()
        self.config = config
        self.prosst = ProsstModel(config)
        self.cls = ProsstHead(config)
        self.profile = nn.Linear(config.hidden_size, 20) if config.profile_head else None
        self.tokenizer = None
        initialise(self, config)

    def forward(
        self,
        input_ids,
        ss_input_ids=None,
        attention_mask=None,
        labels=None,
        output_hidden_states=False,
        output_attentions=False,
    ) -> ProsstOutput:
        output = self.prosst(input_ids, ss_input_ids, attention_mask, output_hidden_states, output_attentions)
        words = self.prosst.embeddings.word_embeddings.weight
        transformed, output.logits = self.cls(output.last_hidden_state, words)
        if self.profile is not None:
            output.profile_logits = self.profile(transformed)
        if labels is not None:
            output.loss = F.cross_entropy(output.logits.flatten(0, 1).float(), labels.flatten().long())
        return output

    def prepare(self, proteins, *, structure_tokens=None, masked=None) -> ProsstBatch:
        """See `plait.encoders.prosst.features.prepare`."""
        return prepare(
            self.config, proteins, tokenizer=self.tokenizer, structure_tokens=structure_tokens, masked=masked
        )

    @torch.no_grad()
    def log_probabilities(self, protein, *, structure_tokens=None, masked=None) -> torch.Tensor:
        """Log-probabilities of the twenty residues at each position, float32 [L, 20], natural logarithms.

        They are taken over all tokens (spec B8), so a row's probabilities add up to slightly less than 1; columns are
        in the order of `vocabulary.RESIDUES`.

        Parameters
        ----------
        protein : Protein, str or ProsstBatch
            For a sequence of one-letter codes `structure_tokens` must be given where the model reads them; for a batch
            the rows of all its proteins follow one another.
        structure_tokens : int [L], optional
        masked : bool [L] or indices, optional
            Residues that the model does not see.
        """
        batch = protein
        if not isinstance(protein, ProsstBatch):
            tokens = None if structure_tokens is None else [structure_tokens]
            batch = self.prepare([protein], structure_tokens=tokens, masked=[masked])
        batch = batch.to(self.cls.predictions.transform.dense.weight.device)
        training = self.training
        self.eval()
        try:
            logits = self(*batch.pad()).logits
        finally:
            self.train(training)
        return batch.unpad(logits).float().log_softmax(-1)[:, RESIDUE_COLUMNS]


def encode(
    config, embeddings, layers, input_ids, ss_input_ids, attention_mask, output_hidden_states, output_attentions,
    checkpoint=None,
):  # fmt: skip
    """Embeddings and layers on checked inputs; shared by `ProsstModel` and its transformers skin."""
    if config.has_structure:
        if ss_input_ids is None:
            raise InputError(
                "this model reads structure tokens and got none",
                expected=f"ss_input_ids of shape {tuple(input_ids.shape)}",
            )
        if ss_input_ids.shape != input_ids.shape:
            raise InputError(
                "residue and structure tokens differ in number",
                got=f"{tuple(ss_input_ids.shape)} structure tokens for {tuple(input_ids.shape)} residue tokens",
                expected="one structure token for each residue token",
            )
    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
    if attention_mask.shape[:2] != input_ids.shape:
        raise InputError(
            "attention_mask does not fit the tokens",
            got=tuple(attention_mask.shape),
            expected=tuple(input_ids.shape),
        )
    mask = attention_mask.bool()
    # of a mask of pairs, the tokens that see anything are the real ones
    real = mask if mask.dim() == 2 else mask.any(-1)
    hidden, structure = embeddings(input_ids, ss_input_ids, real)
    hidden, all_hidden, attentions = layers(
        hidden, structure, mask, output_hidden_states, output_attentions, checkpoint
    )
    return ProsstOutput(last_hidden_state=hidden, hidden_states=all_hidden, attentions=attentions)


def initialise(model: nn.Module, config: ProsstConfig) -> None:
    """Weights normal, biases 0, padding row 0, layer norms 1 and 0 (spec B7)."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=config.initializer_range)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=config.initializer_range)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx].detach())
