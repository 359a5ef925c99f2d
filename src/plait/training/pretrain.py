"""Pre-training of an encoder with a sum of objectives, from a recipe."""

import dataclasses
import functools

import numpy as np
import torch
from torch import nn

from plait.config import from_dict, to_dict
from plait.data.base import Example
from plait.data.batches import Batches, in_order
from plait.data.corpus import Corpus
from plait.data.tensors import read_tensors
from plait.data.tokens import WithStructureTokens
from plait.objectives.base import Objective, Sum, View
from plait.registry import get
from plait.training.options import PretrainConfig
from plait.training.run import fit


class Learned(nn.Module):
    """An encoder and the heads that its objectives need."""

    def __init__(self, encoder: nn.Module, heads: dict[str, int]):
        super().__init__()
        self.encoder = encoder
        self.readout = encoder.make_readout(heads)

    def forward(self, batch) -> dict[str, torch.Tensor]:
        """Logits [R, classes] by head."""
        return self.readout(self.encoder(batch))


@dataclasses.dataclass(frozen=True)
class Batch:
    """What the encoder reads, and the view that says what is asked."""

    inputs: object
    view: View

    def to(self, device) -> "Batch":
        return Batch(self.inputs.to(device), self.view)


def make_objective(options: dict[str, dict]) -> Objective:
    """The sum of the objectives that a recipe names: name -> options, with `weight` among them."""
    parts = []
    for name, values in options.items():
        values = dict(values or {})
        weight = float(values.pop("weight", 1.0))
        cls = get("objective", name)
        parts.append((weight, cls(from_dict(cls.Config, values, place=f"objective {name}"))))
    return Sum(tuple(parts))


def make_batch(encoder, objective: Objective, examples: list[Example], generator: np.random.Generator) -> Batch:
    """A view of the examples as the encoder reads it."""
    view = objective.view(examples, generator)
    names = view.extras[0].keys() if view.extras else ()
    extras = {name: [extra[name] for extra in view.extras] for name in names}
    return Batch(encoder.prepare(view.proteins, masked=view.masked, **extras), view)


def pretrain(config: PretrainConfig, *, progress=iter) -> tuple[Learned, dict[str, float]]:
    """Run a recipe, or go on with it. Returns the best weights' network and its validation."""
    objective = make_objective(config.objective)
    train = Corpus(config.data)
    valid = Corpus(dataclasses.replace(config.data, split="valid", longest=config.data.longest or 1000))
    tokenizer = None
    if config.tokens.tokenizer:
        train, valid, tokenizer = _with_tokens(config, train, valid, progress)
    settings = config.encoder.config
    if hasattr(settings, "profile_head"):
        settings = dataclasses.replace(settings, profile_head="profile" in objective.heads)
    if tokenizer is not None:
        size = tokenizer.size + 3 + settings.unknown_structure
        settings = dataclasses.replace(settings, ss_vocab_size=size, tokenizer=tokenizer.name)
    torch.manual_seed(config.run.seed)
    model = Learned(get("encoder", config.encoder.name)(settings), objective.heads)
    model.encoder.tokenizer = tokenizer
    if config.start:
        from pathlib import Path

        model.load_state_dict(read_tensors(Path(config.start) / "best.safetensors"))
    batches = Batches(train, config.batch, seed=config.run.seed)

    def prepare(step: int) -> Batch:
        if tokenizer is not None:
            train.variant = int(np.random.default_rng([config.run.seed, 3, step]).integers(config.tokens.variants))
        return make_batch(model.encoder, objective, batches[step], batches.generator(step))

    held_out = [
        [
            make_batch(model.encoder, judge, [valid[int(i)] for i in indices], np.random.default_rng([0, number]))
            for number, indices in enumerate(in_order(valid, config.batch.residues))
        ]
        for judge in (_judge(objective, 0.15), _judge(objective, 0.0))
    ]
    result = fit(
        model,
        terms=lambda network, batch: objective.loss(network(batch.inputs), batch.view),
        prepare=prepare,
        validate=functools.partial(_validate, objective=objective, masked=held_out[0], seen=held_out[1]),
        criterion="loss",
        run=config.run,
        description={"pretrain": _essence(config), "train": train.digest, "valid": valid.digest},
    )
    if config.model:
        _write_model(config, model, tokenizer, result)
    return model, result


def _with_tokens(config: PretrainConfig, train, valid, progress):
    from plait.models.loading import load_tokenizer
    from plait.tokenizers.saving import digest

    options = config.tokens
    tokenizer = load_tokenizer(options.tokenizer)
    common = {"key": digest(tokenizer), "folder": options.cache, "progress": progress}
    train = WithStructureTokens(train, tokenizer, variants=options.variants, noise=options.noise, **common)
    return train, WithStructureTokens(valid, tokenizer, **common), tokenizer


def _judge(objective: Objective, rate: float) -> Objective:
    """The objective with residues hidden at a fixed rate, so that validations of different schedules compare."""
    parts = []
    for weight, part in objective.parts:
        if part.name == "masked-lm":
            part = type(part)(type(part).Config(schedule="fixed", rate=rate))
        parts.append((weight, part))
    return Sum(tuple(parts))


def _validate(model: Learned, objective: Objective, masked: list[Batch], seen: list[Batch]) -> dict[str, float]:
    """Each term with 15 % of the residues hidden, the terms that hide nothing also without (`_seen`), the perplexity
    of hidden residues, and `loss`, the weighted sum that decides."""
    values: dict[str, float] = {}
    device = next(model.parameters()).device
    weights = {}
    for suffix, batches in (("", masked), ("_seen", seen)):
        sums: dict[str, np.ndarray] = {}
        for batch in batches:
            for name, term in objective.loss(model(batch.to(device).inputs), batch.view).items():
                weights[name] = term.weight
                sums[name] = sums.get(name, np.zeros(2)) + [float(term.value) * term.count, term.count]
        values |= {name + suffix: total / count for name, (total, count) in sums.items() if count}
    if "residue_type" in values:
        values["perplexity"] = float(np.exp(values["residue_type"]))
    values["loss"] = sum(weight * values[name] for name, weight in weights.items())
    return values


def _essence(config: PretrainConfig) -> dict:
    """The configuration less what does not change the result: folders, logging, threads."""
    values = to_dict(config)
    for name in ("out", "threads", "workers", "log_every", "checkpoint_minutes", "device"):
        values["run"].pop(name)
    values["data"].pop("folder")
    for name in ("model", "scoring_head", "scoring_weighting"):
        values.pop(name)
    values["tokens"].pop("cache")
    return values


def _write_model(config: PretrainConfig, model: Learned, tokenizer, result: dict[str, float]) -> None:
    from pathlib import Path

    from plait.encoders.prosst.readout import language_model
    from plait.models.loading import save
    from plait.models.model import Model, Scoring

    network = language_model(model.encoder.config, model.encoder, model.readout)
    left_out = {"near_dms": "without chains similar to targets of mutational scans (strict form)"}
    left_out["near_dms_cluster"] = "without the clusters of chains similar to targets of mutational scans"
    card = {
        "trained_on": f"corpus, {config.data.split} clusters, {left_out.get(config.data.exclude, 'all chains')}",
        "residues_seen": config.run.steps * config.batch.residues,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "validation": {name: round(value, 4) for name, value in result.items()},
        "recipe": _essence(config),
        "licence": "Apache-2.0",
    }
    scoring = Scoring(head=config.scoring_head, weighting=config.scoring_weighting)
    folder = Path(config.model)
    save(Model(folder.name, network, tokenizer, scoring, card), folder)
