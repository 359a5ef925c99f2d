"""`ProsstConfig`: the fields of a published `config.json`, and ours beside them."""

import dataclasses
from dataclasses import field

from plait.errors import InputError, unknown_name

TERMS = ("aa2pos", "pos2aa", "aa2ss", "ss2aa")
"""Terms of the attention score besides residue -> residue: residue -> position, position -> residue,
residue -> structure, structure -> residue."""

PUBLISHED_DEFAULTS = {
    "vocab_size": 1024,
    "ss_vocab_size": 0,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 1024,
    "max_relative_positions": -1,
    "relative_attention": False,
    "pos_att_type": (),
    "structure_to_residue": "compat",
    "unknown_structure": False,
    "tokenizer": "gvp",
}
"""What a `config.json` of the published layout means by leaving a field out, where that differs from ours."""

_TRANSFORMERS_KEYS = {
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_experts_implementation",
    "_name_or_path", "_output_attentions", "add_cross_attention", "architectures", "attn_implementation",
    "auto_map", "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "chunk_size_feed_forward",
    "cross_attention_hidden_size", "decoder_start_token_id", "diversity_penalty", "do_sample", "dtype",
    "early_stopping", "encoder_no_repeat_ngram_size", "eos_token_id", "exponential_decay_length_penalty",
    "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "id2label", "is_decoder",
    "is_encoder_decoder", "label2id", "length_penalty", "max_length", "min_length", "model_type",
    "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_labels", "num_return_sequences",
    "output_attentions", "output_hidden_states", "output_scores", "prefix", "problem_type", "pruned_heads",
    "quantization_config", "remove_invalid_values", "repetition_penalty", "return_dict",
    "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params", "temperature",
    "tf_legacy_loss", "tie_encoder_decoder", "tie_word_embeddings", "tokenizer_class", "top_k", "top_p",
    "torch_dtype", "torchscript", "transformers_version", "typical_p", "use_bfloat16", "use_cache",
}  # fmt: skip
"""Keys that transformers itself writes into a config.json; they say nothing about the network and are passed over."""


def _documented(default, text):
    return field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class ProsstConfig:
    """Size and kind of a ProSST language model.

    Names are those of the published `config.json`, so that one loads unchanged (`from_dict`); the defaults are a small
    new model. Source: specs/prosst.md, B1.
    """

    vocab_size: int = _documented(25, "residue tokens: 20 residues, <pad> <cls> <eos> <unk> <mask>")
    ss_vocab_size: int = _documented(
        24, "rows of the structure table: 3 special ones, K states, one for unknown; 0 leaves structure out"
    )
    hidden_size: int = _documented(256, "width of the hidden states")
    num_hidden_layers: int = _documented(6, "layers")
    num_attention_heads: int = _documented(8, "attention heads; divides hidden_size")
    intermediate_size: int = _documented(1024, "width inside the feed-forward blocks")
    hidden_act: str = _documented("gelu", "activation of the feed-forward blocks: gelu (exact), relu or silu")
    hidden_dropout_prob: float = _documented(0.1, "dropout on embeddings and outputs of blocks, in training")
    attention_probs_dropout_prob: float = _documented(0.1, "dropout on attention probabilities, in training")
    layer_norm_eps: float = _documented(1e-7, "epsilon of the layer norms")
    initializer_range: float = _documented(0.02, "standard deviation of new weights")
    relative_attention: bool = _documented(True, "whether the attention has the terms of pos_att_type")
    pos_att_type: tuple[str, ...] = _documented(TERMS, "attention terms, of aa2pos, pos2aa, aa2ss, ss2aa")
    position_embedding_type: str = _documented("relative", "relative or rotary")
    max_relative_positions: int = _documented(
        256, "distances in sequence told apart on each side; below 1: max_position_embeddings"
    )
    max_position_embeddings: int = _documented(-1, "read where max_relative_positions is below 1")
    position_biased_input: bool = _documented(False, "absolute positions in the input: no published model has them")
    type_vocab_size: int = _documented(0, "token types: no published model has them")
    token_dropout: bool = _documented(True, "rescale embeddings by the share of masked positions")
    mlm_probability: float = _documented(0.15, "share of residues masked in pre-training")
    mask_token_id: int = _documented(24, "id of <mask>")
    pad_token_id: int = _documented(0, "id of <pad>")
    pooling_head: str = _documented("mean", "how a classifier pools residues")
    pooler_hidden_size: int | None = _documented(None, "width of a classifier's pooled vector; hidden_size if absent")
    pooler_dropout: float = _documented(0.1, "dropout of a classifier's pooled vector")
    pooler_hidden_act: str = _documented("gelu", "read by no published head")
    scale_hidden: int = _documented(1, "1 in every published model")
    structure_to_residue: str = _documented(
        "corrected",
        "the ss2aa term: corrected (structure query of i times residue key of j, as in the paper) or compat "
        "(the residue term transposed, as the published models were trained)",
    )
    unknown_structure: bool = _documented(
        True, "whether the last row of the structure table stands for a residue that the tokenizer cannot see"
    )
    tokenizer: str = _documented("3di", "structure tokenizer that the model reads: a registered name, none or random")
    structure_input: bool = _documented(
        False, "add the structure states to the first hidden states; published models let them into attention only"
    )
    profile_head: bool = _documented(False, "a second head that gives 20 logits of the evolutionary profile")

    def __post_init__(self):
        terms = self.pos_att_type
        if isinstance(terms, str):
            terms = terms.split("|")
        object.__setattr__(self, "pos_att_type", tuple(t.strip() for t in terms or () if t.strip()))
        if self.pooler_hidden_size is None:
            object.__setattr__(self, "pooler_hidden_size", self.hidden_size)
        self._check()

    def _check(self):
        for term in self.pos_att_type:
            if term not in TERMS:
                raise unknown_name("attention term in pos_att_type", term, TERMS)
        for name, allowed in (
            ("structure_to_residue", ("corrected", "compat")),
            ("position_embedding_type", ("relative", "rotary")),
            ("hidden_act", ("gelu", "relu", "silu")),
        ):
            if getattr(self, name) not in allowed:
                raise unknown_name(name, getattr(self, name), allowed)
        for name, value in (("position_biased_input", False), ("type_vocab_size", 0), ("scale_hidden", 1)):
            if getattr(self, name) != value:
                raise InputError(f"this kind of ProSST is not built: {name}", got=getattr(self, name), expected=value)
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                "hidden_size is not a multiple of num_attention_heads",
                got=f"{self.hidden_size} and {self.num_attention_heads}",
            )
        if self.position_embedding_type == "rotary" and self.head_size % 2:
            raise InputError("rotary positions need heads of even width", got=self.head_size)
        if self.relative_attention and self.has_structure_terms and not self.has_structure:
            raise InputError(
                "the terms of pos_att_type ask for structure, but ss_vocab_size is 0",
                got="|".join(self.pos_att_type),
                do="Leave out aa2ss and ss2aa, or give ss_vocab_size.",
            )
        if self.structure_input and not self.has_structure:
            raise InputError("structure_input without structure", got="ss_vocab_size 0", do="Give ss_vocab_size.")
        if self.relative_attention and self.table_reach < 1:
            raise InputError("relative_attention needs max_relative_positions or max_position_embeddings of 1 or more")

    @property
    def head_size(self) -> int:
        """Width c of a head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def table_reach(self) -> int:
        """M: the position table has 2 M rows."""
        return self.max_relative_positions if self.max_relative_positions >= 1 else self.max_position_embeddings

    @property
    def has_structure(self) -> bool:
        return self.ss_vocab_size > 0

    @property
    def has_structure_terms(self) -> bool:
        return "aa2ss" in self.pos_att_type or "ss2aa" in self.pos_att_type

    @property
    def structure_states(self) -> int:
        """K, the number of states of the structure tokenizer; 0 without structure."""
        return max(0, self.ss_vocab_size - 3 - self.unknown_structure)

    def with_tokenizer(self, name: str, states: int) -> "ProsstConfig":
        """The same for a model that reads the tokens of a tokenizer."""
        return dataclasses.replace(self, ss_vocab_size=states + 3 + self.unknown_structure, tokenizer=name)

    def has_term(self, name: str) -> bool:
        """Whether the attention computes this term (it may be listed and yet be switched off)."""
        if not self.relative_attention or name not in self.pos_att_type:
            return False
        return self.position_embedding_type == "relative" or name in ("aa2ss", "ss2aa")

    def to_dict(self) -> dict:
        """All fields and what transformers needs to find the class, as JSON values."""
        values = dataclasses.asdict(self)
        values["pos_att_type"] = list(self.pos_att_type)
        return {"model_type": "ProSST", "architectures": ["ProSSTForMaskedLM"], **values}

    @classmethod
    def from_dict(cls, values: dict, *, file=None) -> "ProsstConfig":
        """The configuration that a `config.json` holds.

        A `config.json` without `structure_to_residue` is of the published layout: absent fields have the published
        defaults, and the structure-to-residue term is compat, the form its weights were trained with (spec B5).

        Raises
        ------
        InputError
            For another model type, an unknown key (transformers' own are passed over) or a value of the wrong type.
        """
        if values.get("model_type", "ProSST") != "ProSST":
            raise InputError("not a ProSST model", file=file, got=repr(values["model_type"]), expected="'ProSST'")
        fields = {f.name: f for f in dataclasses.fields(cls)}
        given = {}
        for name, value in values.items():
            if name in fields:
                given[name] = _checked(name, value, fields[name], file)
            elif name not in _TRANSFORMERS_KEYS:
                raise unknown_name("key", name, fields, file=file)
        if "structure_to_residue" not in given:
            given = PUBLISHED_DEFAULTS | given
        try:
            return cls(**given)
        except InputError as error:
            raise error.at(file=file) from None


def _checked(name, value, declared, file):
    kinds = {"pos_att_type": (str, list, tuple, type(None)), "pooler_hidden_size": (int, type(None))}.get(name)
    if kinds is None:
        kinds = (int, float) if declared.type is float else (declared.type,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(f"{name} has the wrong type", file=file, got=repr(value), expected=expected)
    return value
