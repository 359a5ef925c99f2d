"""Pre-training of an encoder with a sum of objectives, from a recipe."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import torch

from plait.config import from_dict, to_dict
from plait.data.batches import Batches
from plait.data.mixture import Mixture
from plait.data.stability import Stability
from plait.data.tensors import read_tensors
from plait.data.tokens import WithStructureTokens
from plait.encoders.base import EncoderWithHeads
from plait.encoders.prosst.readout import ProsstReadout, language_model
from plait.errors import InputError, unknown_name
from plait.models.loading import load_tokenizer, save
from plait.models.model import Model
from plait.objectives.base import Objective, Sum
from plait.registry import get
from plait.tokenizers.saving import digest
from plait.training.base_rates import begin_at_base_rates
from plait.training.embedding_inputs import embedding_source, essence_of_embeddings, reading, told, with_embeddings
from plait.training.examples import Batch, make_batch
from plait.training.options import PretrainConfig, RunConfig, TokenOptions
from plait.training.run import fit
from plait.training.sets import essence_of, named, training_and_validation
from plait.training.validation import HeldOut, validate


def make_objective(options: dict[str, dict]) -> Objective:
    """The sum of the objectives that a recipe names: name -> options, with `weight` among them."""
    parts = []
    for name, values in options.items():
        values = dict(values or {})
        weight = float(values.pop("weight", 1.0))
        cls = get("objective", name)
        parts.append((weight, cls(from_dict(cls.Config, values, place=f"objective {name}"))))
    return Sum(tuple(parts))


def pretrain(config: PretrainConfig, *, progress=iter) -> tuple[EncoderWithHeads, dict[str, float]]:
    """Run a recipe, or go on with it. Returns the best weights' network and its validation."""
    objective = make_objective(config.objective)
    source = embedding_source(config.embeddings)
    config = dataclasses.replace(config, encoder=reading(config.encoder, source))
    parts, shares, valid, measured = _sets(config)
    sets = with_embeddings(config.embeddings, source, [*parts, valid, *measured], progress)
    parts, (valid, *measured) = sets[: len(parts)], sets[len(parts) :]
    tokenizer = None
    if config.tokens.tokenizer:
        tokenizer = load_tokenizer(config.tokens.tokenizer)
        parts, (valid, *measured) = with_tokens(config.tokens, tokenizer, parts, [valid, *measured])
    train = parts[0] if len(parts) == 1 else Mixture(parts, shares)
    settings = config.encoder.config
    if hasattr(settings, "profile_head"):
        settings = dataclasses.replace(settings, profile_head="profile" in objective.heads)
    if tokenizer is not None:
        settings = settings.with_tokenizer(tokenizer.name, tokenizer.size)
    torch.manual_seed(config.run.seed)
    encoder = get("encoder", config.encoder.name)(settings)
    heads = objective.heads
    if config.start and "encoder" in config.frozen:
        heads = _heads_of(config.start) | heads  # they are as good as they were
    model = EncoderWithHeads(encoder, heads, objective.make_heads(encoder))
    model.encoder.tokenizer = tokenizer
    fresh = {name for name, _ in model.named_parameters()}
    if config.start:
        fresh &= _start_from(config.start, model)
    _freeze(config.frozen, model)
    batches = Batches(train, config.batch, seed=config.run.seed)
    if config.base_rates:
        begin_at_base_rates(model, objective, batches, fresh)

    def prepare(step: int) -> Batch:
        if tokenizer is not None:
            variant = int(np.random.default_rng([config.run.seed, 3, step]).integers(config.tokens.variants))
            for part in parts:
                part.variant = variant
        return make_batch(model.encoder, objective, batches[step], batches.generator(step), config.noise)

    def terms(network, batch: Batch):
        if "encoder" in config.frozen:
            network.encoder.eval()  # nothing is drawn in what does not learn
        return objective.loss(batch.outputs(network), batch.view)

    held_out = HeldOut.of(model.encoder, objective, valid, measured, config.batch.residues)
    result = fit(
        model,
        terms=terms,
        prepare=prepare,
        validate=functools.partial(validate, held_out=held_out),
        criterion="loss",
        run=config.run,
        description={
            "pretrain": _essence(config),
            "train": train.digest,
            "valid": valid.digest,
            **told(source, objective),
        },
    )
    if config.model:
        _write_model(config, model, tokenizer, source, result, told(source, objective))
    return model, result


def _sets(config: PretrainConfig):
    """Training sets with their shares of the draws, the validation examples, and a list of none or one set of
    validation proteins with measured stability."""
    train, valid = training_and_validation(config.data)
    share = config.stability.share
    if not share:
        return [train], [1.0], valid, []
    stable = Stability(config.stability.data)
    measured = Stability(dataclasses.replace(config.stability.data, split="valid"))
    return [train, stable], [1 - share, share], valid, [measured]


def with_tokens(options: TokenOptions, tokenizer, train: list, judges: list) -> tuple[list, list]:
    """The sets with structure tokens: of training sets in the versions that the options ask for."""
    common = {"key": digest(tokenizer), "folder": options.cache}
    noisy = {"variants": options.variants, "noise": options.noise}
    return (
        [WithStructureTokens(part, tokenizer, **noisy, **common) for part in train],
        [WithStructureTokens(part, tokenizer, **common) for part in judges],
    )


def _start_from(folder: str, model: EncoderWithHeads) -> set[str]:
    """Take the weights of a run; heads that it does not have stay as they are. Returns the names of their weights."""
    file = Path(folder) / "best.safetensors"
    state = read_tensors(file)
    missing, unexpected = model.load_state_dict(state, strict=False)
    strange = [name for name in missing if not name.startswith(("readout.", "objective_heads."))]
    strange += [name for name in unexpected if not name.startswith("objective_heads.")]
    if strange:
        raise InputError("weights of another network", file=file, got=strange[0], do="Give the encoder of that run.")
    return set(missing)


def _heads_of(folder: str) -> dict[str, int]:
    """Linear heads of a run and their numbers of values."""
    beginning, end = "readout.heads.", ".weight"
    state = read_tensors(Path(folder) / "best.safetensors")
    names = [name for name in state if name.startswith(beginning) and name.endswith(end)]
    return {name[len(beginning) : -len(end)]: len(state[name]) for name in names}


def _freeze(beginnings: tuple[str, ...], model: EncoderWithHeads) -> None:
    """Keep the weights whose names begin so."""
    names = [name for name, _ in model.named_parameters()]
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in names):
            raise unknown_name(
                "weights to freeze", beginning, sorted({name.split(".")[0] for name in names} | set(names))
            )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(tuple(beginnings)) if beginnings else True)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError("nothing is left to train", got=f"frozen: {', '.join(beginnings)}")


def essence_of_run(run: RunConfig) -> dict:
    """The options of a run less what does not change the result: folder, logging, threads."""
    left_out = ("out", "threads", "workers", "log_every", "checkpoint_minutes", "device")
    return {name: value for name, value in to_dict(run).items() if name not in left_out}


def _essence(config: PretrainConfig) -> dict:
    """The configuration less what does not change the result."""
    values = to_dict(config)
    values["run"] = essence_of_run(config.run)
    values["data"] = essence_of(config.data)
    for name in ("model", "scoring"):
        values.pop(name)
    if not config.frozen:  # as runs from before weights could be kept have it
        values.pop("frozen")
    if not config.base_rates:
        values.pop("base_rates")
    values["tokens"].pop("cache")
    values.pop("embeddings")
    values |= essence_of_embeddings(config.embeddings)
    values["stability"]["data"].pop("folder")
    return values


def _write_model(config: PretrainConfig, model: EncoderWithHeads, tokenizer, source, result, embeddings: dict) -> None:
    network = model.eval()
    if isinstance(model.readout, ProsstReadout):
        network = language_model(model.encoder.config, model.encoder, model.readout)
    card = {
        "trained_on": named(config.data),
        "residues_seen": config.run.steps * config.batch.residues,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "validation": {name: round(value, 4) for name, value in result.items()},
        **embeddings,
        "recipe": _essence(config),
        "licence": "Apache-2.0",
    }
    if config.stability.share:
        card["stability"] = (
            f"measured changes of stability, {config.stability.data.split} clusters, without proteins that are "
            f"{config.stability.data.exclude}: rankings are not zero-shot in the strict sense"
        )
    folder = Path(config.model)
    save(Model(folder.name, network, tokenizer, config.scoring, card, embeddings=source), folder)
