"""Training the structure encoder of the GVP tokenizers by denoising, and fitting its codebook.

Source: Li et al. 2024 (ProSST), section on the structure quantisation module; specs/prosst.md, A8. The backbone is
disturbed by Gaussian noise before features are made, and the decoder names the residue type of every node. Graphs
are whole chains (cut to stretches); the published training is described with whole domains.
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from plait.config import to_dict
from plait.data.base import Example
from plait.data.batches import Batches, in_order
from plait.data.corpus import Corpus
from plait.objectives.base import Term
from plait.registry import get
from plait.structure.vocabulary import UNKNOWN
from plait.tokenizers.gvp_features import Graph, graph_features, segments
from plait.tokenizers.gvp_network import GVPEncoder, GVPEncoderConfig
from plait.training.options import EncoderSizes, QuantiserConfig
from plait.training.run import fit


def network_config(sizes: EncoderSizes) -> GVPEncoderConfig:
    """The options as the network takes them."""
    return GVPEncoderConfig(
        node_hidden=(sizes.node_scalars, sizes.node_vectors),
        edge_hidden=(sizes.edge_scalars, sizes.edge_vectors),
        layers=sizes.layers,
        message_layers=sizes.message_layers,
        radius=sizes.radius,
        neighbours=sizes.neighbours or None,
        dropout=sizes.dropout,
        decoder_hidden=sizes.decoder_hidden,
    )


@dataclasses.dataclass(frozen=True)
class GraphBatch:
    """Graphs of disturbed backbones side by side, and what their nodes are."""

    graph: Graph
    residue_type: torch.Tensor  # (n,)
    profile: torch.Tensor  # (n, 20), zero where unknown

    def to(self, device) -> "GraphBatch":
        return GraphBatch(self.graph.to(device), self.residue_type.to(device), self.profile.to(device))


def make_batch(examples: list[Example], noise: float, generator: np.random.Generator, config: GVPEncoderConfig):
    """The graphs of the examples' backbones with Gaussian noise of this standard deviation (angstrom)."""
    graphs, types, profiles = [], [], []
    for example in examples:
        protein = example.protein
        clean = protein.backbone[:, :3]
        noisy = clean + generator.normal(0, noise, clean.shape).astype(np.float32) if noise else clean
        graph = graph_features(noisy, segment=segments(clean), radius=config.radius, neighbours=config.neighbours)
        kept = graph.residue.numpy()
        graphs.append(graph)
        types.append(protein.residue_type[kept].astype(np.int64))
        profiles.append(example.labels["profile"][kept])
    return GraphBatch(
        Graph.concatenate(graphs),
        torch.from_numpy(np.concatenate(types)),
        torch.from_numpy(np.concatenate(profiles).astype(np.float32)),
    )


def denoising_terms(encoder: GVPEncoder, batch: GraphBatch, profile_weight: float = 0.0) -> dict[str, Term]:
    """Cross-entropy of the decoder against residue types and, if it has a weight, against profiles."""
    logits = encoder.classify(batch.graph).float()  # (n, 20)
    known = batch.residue_type != UNKNOWN
    terms = {
        "residue_type": Term(F.cross_entropy(logits, batch.residue_type, ignore_index=UNKNOWN), 1.0, int(known.sum()))
    }
    if profile_weight:
        has = batch.profile.sum(-1) > 0.5
        entropy = -(batch.profile * F.log_softmax(logits, -1)).sum(-1)
        terms["profile"] = Term((entropy * has).sum() / has.sum().clamp(min=1), profile_weight, int(has.sum()))
    return terms


def train_encoder(config: QuantiserConfig) -> tuple[GVPEncoder, dict[str, float]]:
    """Train, or go on training, a structure encoder as configured."""
    sizes = network_config(config.encoder)
    train = Corpus(config.data)
    valid = Corpus(dataclasses.replace(config.data, split="valid", longest=config.data.longest or 1000))
    batches = Batches(train, config.batch, seed=config.run.seed)

    def prepare(step: int) -> GraphBatch:
        return make_batch(batches[step], config.noise, batches.generator(step), sizes)

    held_out = [
        make_batch([valid[int(i)] for i in indices], config.noise, np.random.default_rng([0, number]), sizes)
        for number, indices in enumerate(in_order(valid, config.batch.residues))
    ]
    torch.manual_seed(config.run.seed)
    encoder = GVPEncoder(sizes)
    result = fit(
        encoder,
        terms=functools.partial(denoising_terms, profile_weight=config.profile_weight),
        prepare=prepare,
        validate=functools.partial(_validate, batches=held_out),
        criterion="loss",
        run=config.run,
        description={"quantiser": _without_out(config), "train": train.digest, "valid": valid.digest},
    )
    return encoder, result


def fit_tokenizer(config: QuantiserConfig, *, progress=iter) -> tuple[Path, dict[str, float]]:
    """Train the encoder if that is not done, fit the codebook on training chains, and write the tokenizer.

    Returns
    -------
    (path, dict)
        The tokenizer's folder; the encoder's validation, the codebook's mean squared distance, and what its tokens
        know of residues and profiles on validation chains.
    """
    encoder, result = train_encoder(config)
    train = Corpus(config.data)
    options = config.codebook
    generator = np.random.default_rng([config.run.seed, 4])
    order = generator.permutation(len(train))
    needed = int(np.searchsorted(np.cumsum(train.lengths[order]), options.residues)) + 1
    cls = get("tokenizer", options.kind)
    settings = cls.Config(encoder=encoder.config, radius=options.radius)
    if hasattr(settings, "pooling"):
        settings = dataclasses.replace(settings, pooling=options.pooling)
    proteins = [train[int(index)].protein for index in order[:needed]]
    tokenizer = cls.fit(encoder, progress(proteins), options.size, settings, seed=config.run.seed)
    folder = Path(config.tokenizer or Path(config.run.out) / "tokenizer")
    tokenizer.save(folder)
    valid = Corpus(dataclasses.replace(config.data, split="valid", longest=config.data.longest or 1000))
    examples = [train[int(index)] for index in order[:needed]]
    return folder, result | token_information(tokenizer, examples, [valid[index] for index in range(len(valid))])


def token_information(tokenizer, train: list[Example], valid: list[Example]) -> dict[str, float]:
    """What tokens alone say: cross-entropy (nats) on `valid` of the residue type and of the profile, from tables of
    frequencies by token that are counted on `train` (with the overall frequencies as 20 pseudo-counts)."""
    counts = np.zeros((2, tokenizer.size + 1, 20))
    for example in train:
        tokens, types = tokenizer(example.protein), example.protein.residue_type
        known = types != UNKNOWN
        np.add.at(counts[0], (tokens[known], types[known]), 1)
        np.add.at(counts[1], tokens, example.labels["profile"])
    overall = counts.sum(1) / counts.sum((1, 2))[:, None]
    tables = np.log((counts + 20 * overall[:, None]) / (counts.sum(2, keepdims=True) + 20))
    sums = np.zeros(4)
    for example in valid:
        tokens, types, profile = tokenizer(example.protein), example.protein.residue_type, example.labels["profile"]
        known, has = types != UNKNOWN, profile.sum(1) > 0.5
        sums += [
            -tables[0][tokens[known], types[known]].sum(),
            known.sum(),
            -(profile * tables[1][tokens])[has].sum(),
            has.sum(),
        ]
    return {"token_residue_type": sums[0] / sums[1], "token_profile": sums[2] / sums[3]}


def _validate(encoder: GVPEncoder, batches: list[GraphBatch]) -> dict[str, float]:
    """Cross-entropy, perplexity and accuracy of the residue type; cross-entropy against profiles."""
    sums = np.zeros(5)
    device = next(encoder.parameters()).device
    for batch in batches:
        batch = batch.to(device)
        logits = F.log_softmax(encoder.classify(batch.graph).float(), -1)
        known, has = batch.residue_type != UNKNOWN, batch.profile.sum(-1) > 0.5
        true = batch.residue_type.clamp(max=19)
        sums += [
            -(logits.gather(1, true[:, None])[:, 0] * known).sum().item(),
            ((logits.argmax(-1) == true) & known).sum().item(),
            known.sum().item(),
            -((batch.profile * logits).sum(-1) * has).sum().item(),
            has.sum().item(),
        ]
    loss = sums[0] / sums[2]
    return {
        "loss": loss,
        "perplexity": float(np.exp(loss)),
        "accuracy": sums[1] / sums[2],
        "profile": sums[3] / max(1, sums[4]),
    }


def _without_out(config) -> dict:
    values = to_dict(config)
    for name in ("out", "threads", "workers", "log_every", "checkpoint_minutes", "device"):
        values["run"].pop(name)
    values["data"].pop("folder")
    for name in ("codebook", "tokenizer"):
        values.pop(name)
    return values
