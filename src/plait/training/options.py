"""Options of training commands: light to import, so that `--help` is quick."""

import dataclasses
from typing import Any

from plait.config import Part, option, part
from plait.data.batches import BatchConfig
from plait.data.corpus import CorpusConfig
from plait.data.stability import StabilityConfig
from plait.models.scoring import Scoring


@dataclasses.dataclass(frozen=True)
class RunConfig:
    out: str = option("runs/run", "folder of the run: checkpoints, metrics.jsonl, run.json, best.safetensors")
    steps: int = option(1000, "optimiser steps")
    seed: int = option(0, "of everything that is drawn in the run")
    learning_rate: float = option(1e-3, "peak learning rate")
    warmup: int = option(100, "steps of linear warm-up; after them the rate falls along a cosine to 0")
    weight_decay: float = option(0.01, "of matrices; vectors (biases, norms) have none")
    clip: float = option(1.0, "largest norm of the gradient")
    validate_every: int = option(250, "steps between validations")
    patience: int = option(0, "stop after so many validations without a better one; 0: never")
    checkpoint_minutes: float = option(3.0, "minutes between checkpoints")
    log_every: int = option(10, "steps between lines of metrics.jsonl")
    threads: int = option(0, "threads of torch; 0: as many as it takes")
    workers: int = option(0, "processes that prepare batches; 0: none")
    device: str = option("auto", "auto, cpu, cuda or mps")
    precision: str = option("32-true", "Lightning's name of the arithmetic: 32-true, bf16-mixed, ...")


@dataclasses.dataclass(frozen=True)
class EncoderSizes:
    """The options of `GVPEncoderConfig`, as flags."""

    node_scalars: int = option(64, "scalars of a node")
    node_vectors: int = option(16, "vector channels of a node")
    edge_scalars: int = option(32, "scalars of an edge")
    edge_vectors: int = option(1, "vector channels of an edge")
    layers: int = option(3, "rounds of message passing")
    message_layers: int = option(3, "perceptrons that make a message")
    radius: float = option(10.0, "residues are joined below this C-alpha distance (angstrom)")
    neighbours: int = option(16, "nearest residues that each hears; 0: all within the radius")
    dropout: float = option(0.1, "in training")
    decoder_hidden: int = option(128, "width of the decoder, which is set aside afterwards")


@dataclasses.dataclass(frozen=True)
class CodebookOptions:
    kind: str = option("gvp-chain", "registered tokenizer that embeds: gvp-chain, or gvp for a subgraph per residue")
    size: int = option(512, "number of centres, K")
    pooling: str = option("none", "of the encoder's output around a residue, for gvp-chain: mean, or none for its own")
    radius: float = option(10.0, "residues are around one up to this C-alpha distance (angstrom)")
    residues: int = option(
        400_000, "residues of training chains, drawn at random by chain, that the centres are fitted on"
    )


@dataclasses.dataclass(frozen=True)
class QuantiserConfig:
    """One training of a structure encoder."""

    data: CorpusConfig = option(CorpusConfig(), "chains to train on; validation clusters are taken beside them")
    batch: BatchConfig = option(BatchConfig(), "how batches are made")
    encoder: EncoderSizes = option(EncoderSizes(), "size of the encoder")
    noise: float = option(0.1, "standard deviation of the noise on N, CA and C (angstrom)")
    profile_weight: float = option(
        0.0, "weight of a second loss: the cross-entropy of the same output against the evolutionary profile"
    )
    codebook: CodebookOptions = option(CodebookOptions(), "the codebook that is fitted after training")
    tokenizer: str = option("", "folder to write the tokenizer to; empty: tokenizer/ in the run's folder")
    run: RunConfig = option(RunConfig(), "the run")


@dataclasses.dataclass(frozen=True)
class TokenOptions:
    """The structure tokens that an encoder reads in training: of whole chains, made when asked for, kept in a file."""

    tokenizer: str = option("", "registered name or folder of the structure tokenizer; empty: the encoder reads none")
    cache: str = option("runs/tokens", "folder for computed tokens")
    variants: int = option(1, "versions of the tokens of each chain, of which one is drawn at each visit")
    noise: float = option(0.0, "noise on the backbone of all versions but the first (standard deviation, angstrom)")


@dataclasses.dataclass(frozen=True)
class EmbeddingOptions:
    """Vectors of residues that an encoder reads beside the structure, of the whole chains without noise."""

    model: str = option(
        "", "name, folder or hub id of a model whose vectors of residues the encoder reads; empty: none"
    )
    file: str = option(
        "", "instead: a file that plait embed wrote, or a folder of ID.npy or ID.safetensors, from any language model"
    )
    cache: str = option("runs/embeddings", "folder for computed vectors")


@dataclasses.dataclass(frozen=True)
class StabilityOptions:
    """Measured stability beside the corpus, for the objective `stability`."""

    share: float = option(0.0, "share of the draws that are proteins with measured stability; 0: none")
    data: StabilityConfig = option(StabilityConfig(), "which of them; validation clusters are taken beside them")


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """One pre-training run."""

    data: Part = part("dataset", "corpus", "what is trained on; validation clusters are taken beside it")
    stability: StabilityOptions = option(StabilityOptions(), "measured stability beside them")
    batch: BatchConfig = option(BatchConfig(), "how batches are made")
    tokens: TokenOptions = option(TokenOptions(), "structure tokens")
    embeddings: EmbeddingOptions = option(EmbeddingOptions(), "embeddings that the encoder reads, for vabsnet")
    encoder: Part = part("encoder", "prosst", "the encoder")
    objective: dict[str, dict] = option(
        {"masked-lm": {}}, "objectives by name, each with its options and its `weight` in the sum (1 if not given)"
    )
    base_rates: bool = option(
        True, "heads begin with the constant answers that are best on the first batches; false: as they are drawn"
    )
    noise: float = option(
        0.0,
        "standard deviation of the noise on every coordinate at every visit (angstrom), so that crystal structures and "
        "predicted ones read alike; tokens have their own in tokens.noise",
    )
    start: str = option(
        "", "folder of a run (best.safetensors) to take the first weights from; heads that it lacks begin anew"
    )
    frozen: tuple[str, ...] = option(
        (), "weights whose names begin so stay as they are, such as encoder or readout.heads.profile"
    )
    model: str = option("", "folder to write the trained model to; empty: none")
    scoring: Scoring = option(Scoring(), "how the written model scores")
    run: RunConfig = option(RunConfig(), "the run")


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """One fine-tuning: an encoder is taught a task's head on labelled examples."""

    task: str = option("binding-sites", "registered task whose head is taught")
    data: Part = part("dataset", "complexes", "labelled examples; the split valid of the same set chooses the weights")
    test: tuple[str, ...] = option(("test",), "splits that are reported at the end and choose nothing")
    batch: BatchConfig = option(BatchConfig(), "how batches are made")
    tokens: TokenOptions = option(TokenOptions(), "structure tokens; those of the start if none are named")
    embeddings: EmbeddingOptions = option(
        EmbeddingOptions(), "embeddings that the encoder reads, for vabsnet; those of the start if none are named"
    )
    encoder: Part = part("encoder", "neighbourhood", "the encoder, where it does not come from `start`")
    start: str = option("", "folder of a run, or name, folder or hub id of a model, whose encoder is fine-tuned")
    change: dict[str, Any] = option(
        {}, "options of the start's encoder that are changed, such as dropout; further inputs begin anew"
    )
    probe: bool = option(False, "the encoder is kept as it is, and only the head is taught")
    encoder_rate: float = option(1.0, "learning rate of the start's weights, over that of all that begins anew")
    objective: dict[str, dict] = option(
        {}, "options of the task's objective by its name; further objectives beside it, each with its `weight`"
    )
    protein_layers: int = option(1, "layers of heads that answer for whole proteins; 1 is a linear probe")
    base_rates: bool = option(
        True, "heads begin with the constant answers that are best on the first batches; false: as they are drawn"
    )
    noise: float = option(0.0, "standard deviation of the noise on every coordinate at every visit (angstrom)")
    seeds: int = option(
        1, "runs with the seeds run.seed, run.seed + 1, ...; the model is the one with the best validation"
    )
    model: str = option("", "folder to write the trained model to; empty: none")
    run: RunConfig = option(RunConfig(), "the run; of several seeds, each in a folder of its own")
