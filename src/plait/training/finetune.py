"""Fine-tuning: an encoder, new or from pre-training, is taught the head of a task on labelled examples.

The task is handed in; what is read of it is `objective` (the name of the registered objective that teaches its head),
`criterion` (the metric of `evaluate` that chooses the weights, higher is better), `evaluate` (examples and the heads'
outputs -> metrics) and, where there is one, `calibrate` (model and validation examples -> entries of its card).
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from plait.config import Part, from_dict, to_dict
from plait.data.base import DataSet, Example
from plait.data.batches import Batches, in_order
from plait.data.embeddings import LANGUAGE
from plait.encoders.base import EncoderWithHeads, is_protein_head
from plait.errors import InputError, unknown_name
from plait.models.loading import load_tokenizer, save
from plait.models.model import Model
from plait.models.scoring import Scoring
from plait.objectives.base import Sum
from plait.registry import get
from plait.structure.protein import Hetero
from plait.training.base_rates import begin_at_base_rates
from plait.training.embedding_inputs import embedding_source, essence_of_embeddings, reading, told, with_embeddings
from plait.training.examples import make_batch
from plait.training.options import FinetuneConfig
from plait.training.pretrain import essence_of_run, make_objective, with_tokens
from plait.training.run import fit
from plait.training.sets import essence_of, named, open_set, splits_of, training_and_validation
from plait.training.start import Start, read_start

KEPT_RESIDUES = 100_000
"""Validation sets up to so many residues are prepared once and kept; larger ones at every validation."""


@dataclasses.dataclass(frozen=True)
class Finetuned:
    """What a fine-tuning gave.

    Attributes
    ----------
    model : Model
        The best weights of the best seed.
    validation : list of dict of str to float
        Metrics of the best weights of each seed.
    tests : dict of str to list of dict
        The same on each split that was only to be reported.
    """

    model: Model
    validation: list[dict[str, float]]
    tests: dict[str, list[dict[str, float]]]


def finetune(config: FinetuneConfig, task: type, *, progress: Callable = iter) -> Finetuned:
    """Run a recipe, or go on with it, and write the model.

    Parameters
    ----------
    task : class
        A registered task that can be fine-tuned (see this module's docstring).
    progress : callable
        Wraps what takes long beside training.

    Raises
    ------
    InputError
    """
    objective = _objective(config, task)
    _check_tests(config)
    start = read_start(config.start) if config.start else None
    config = _with_embeddings_of(start, config)
    source = embedding_source(config.embeddings)
    train, valid = training_and_validation(config.data)
    tests = {split: open_set(config.data, split=split) for split in config.test}
    train, valid, *judges = with_embeddings(config.embeddings, source, [train, valid, *tests.values()], progress)
    tests = dict(zip(tests, judges, strict=True))
    tokenizer = _tokenizer(config, start)
    if tokenizer is not None:
        (train,), judges = with_tokens(config.tokens, tokenizer, [train], [valid, *tests.values()])
        valid, tests = judges[0], dict(zip(tests, judges[1:], strict=True))
    runs = []
    for number in range(config.seeds):
        folder = (
            Path(config.run.out) if config.seeds == 1 else Path(config.run.out) / f"seed-{config.run.seed + number}"
        )
        run = dataclasses.replace(config.run, seed=config.run.seed + number, out=str(folder))
        seeded = dataclasses.replace(config, run=run)
        network, result = _train(seeded, task, objective, start, tokenizer, source, train, valid)
        found = {split: _judged(network, dataset, task, config.batch.residues) for split, dataset in tests.items()}
        record = {"validation": result, "tests": found}
        (folder / "result.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        runs.append((network, result, found))
    best = max(range(len(runs)), key=lambda number: runs[number][1][task.criterion])
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, seed=config.run.seed + best))
    model = _model(config, task, objective, runs[best][0], tokenizer, source, runs[best][1], valid, progress)
    if config.model:
        save(model, config.model)
    return Finetuned(
        model, [result for _, result, _ in runs], {split: [found[split] for *_, found in runs] for split in tests}
    )


def outputs_by_example(network: EncoderWithHeads, examples: list[Example]) -> list[dict[str, np.ndarray]]:
    """What each head says of whole examples, ligands taken away: [R, values] of residues, [values] of proteins."""
    return _split(network, examples, _batch(network.encoder, examples))


def _train(config, task, objective: Sum, start: Start | None, tokenizer, source, train: DataSet, valid: DataSet):
    torch.manual_seed(config.run.seed)
    settings = reading(_encoder_settings(config, start, tokenizer), source)
    encoder = get("encoder", settings.name)(settings.config)
    encoder.tokenizer = tokenizer
    fresh = start.load_into(encoder, config.start) if start is not None else list(encoder.state_dict())
    fresh = {f"encoder.{name}" for name in fresh}
    model = EncoderWithHeads(encoder, objective.heads, objective.make_heads(encoder), config.protein_layers)
    if config.probe:
        encoder.requires_grad_(False)
    batches = Batches(train, config.batch, seed=config.run.seed)
    if config.base_rates:
        begin_at_base_rates(model, objective, batches)
    begins_anew = start is None

    def prepare(step: int):
        if tokenizer is not None:
            draw = np.random.default_rng([config.run.seed, 3, step])
            train.variant = int(draw.integers(config.tokens.variants))
        return make_batch(encoder, objective, batches[step], batches.generator(step), config.noise)

    def terms(network, batch):
        if config.probe:
            network.encoder.eval()  # nothing is drawn in what does not learn
        return objective.loss(batch.outputs(network), batch.view)

    def rate_of(name: str) -> float:
        old = name.startswith("encoder.") and name not in fresh and not begins_anew
        return config.encoder_rate if old else 1.0

    result = fit(
        model,
        terms=terms,
        prepare=prepare,
        validate=_validation(encoder, valid, task, config.batch.residues),
        criterion=task.criterion,
        highest=True,
        rate_of=rate_of,
        run=config.run,
        description={
            "finetune": _essence(config, settings),
            "start": None if start is None else start.digest,
            "train": train.digest,
            "valid": valid.digest,
            **told(source, objective),
        },
    )
    return model, result


def _validation(encoder, valid: DataSet, task, residues: int) -> Callable:
    """A function: network -> metrics of the validation set."""
    if int(np.sum(valid.lengths)) > KEPT_RESIDUES:
        return lambda network: _judged(network, valid, task, residues)
    examples = [[valid[int(index)] for index in indices] for indices in in_order(valid, residues)]
    prepared = [(part, _batch(encoder, part)) for part in examples]
    return lambda network: task.evaluate(
        [example for part, _ in prepared for example in part],
        [output for part, batch in prepared for output in _split(network, part, batch)],
    )


def _judged(network, dataset: DataSet, task, residues: int) -> dict[str, float]:
    """Metrics of a set, read batch by batch; broken records are passed over."""
    examples, outputs = [], []
    for indices in in_order(dataset, residues):
        part = []
        for index in indices:
            try:
                part.append(dataset[int(index)])
            except InputError:
                continue
        if part:
            examples += part
            outputs += outputs_by_example(network, part)
    return task.evaluate(examples, outputs)


def _batch(encoder, examples: list[Example]):
    labels = [name for name in ("structure_tokens", LANGUAGE) if name in examples[0].labels]
    proteins = [example.protein.replace(hetero=Hetero.empty()) for example in examples]
    return encoder.prepare(proteins, **{name: [example.labels[name] for example in examples] for name in labels})


@torch.no_grad()
def _split(network, examples: list[Example], batch) -> list[dict[str, np.ndarray]]:
    device = next(network.parameters()).device
    residues = [len(example.protein) for example in examples]
    atoms = [len(example.protein.position) for example in examples]
    parts = {}
    for name, value in network(batch.to(device)).items():
        value = value.float().cpu()
        if is_protein_head(name):
            parts[name] = [row.numpy() for row in value]
        else:
            parts[name] = [part.numpy() for part in value.split(atoms if name.startswith("atom_") else residues)]
    return [{name: of[number] for name, of in parts.items()} for number in range(len(examples))]


def _objective(config: FinetuneConfig, task: type) -> Sum:
    missing = [name for name in ("objective", "criterion", "evaluate") if not hasattr(task, name)]
    if missing:
        raise InputError(f"the task {task.name} cannot be fine-tuned", got=f"no {missing[0]}")
    options = dict(config.objective) or {task.objective: {}}
    if task.objective not in options:
        raise InputError(
            f"the objective that teaches {task.name} is not among the objectives",
            got=", ".join(options),
            expected=task.objective,
        )
    return make_objective(options)


def _check_tests(config: FinetuneConfig) -> None:
    known = splits_of(config.data)
    if config.seeds < 1:
        raise InputError("number of seeds", got=config.seeds, expected="1 or more")
    for split in config.test:
        if split not in known:
            raise unknown_name(f"split of {config.data.name}", split, known)
        if split == getattr(config.data.config, "split", None) or split == "valid":
            raise InputError("a split that is trained on or chooses cannot be a test", got=split)


def _tokenizer(config: FinetuneConfig, start: Start | None):
    if config.tokens.tokenizer:
        return load_tokenizer(config.tokens.tokenizer)
    return None if start is None else start.tokenizer


def _with_embeddings_of(start: Start | None, config: FinetuneConfig) -> FinetuneConfig:
    """The recipe with the embeddings that the start reads, if it names none itself."""
    named = config.embeddings
    if start is None or not start.embeddings or named.model or named.file:
        return config
    return dataclasses.replace(config, embeddings=dataclasses.replace(named, **start.embeddings))


def _encoder_settings(config: FinetuneConfig, start: Start | None, tokenizer) -> Part:
    """Name and configuration of the encoder that is trained."""
    if start is None:
        if config.change:
            raise InputError("`change` changes the encoder of a start, and there is none", do="Use `encoder`.")
        settings = config.encoder
    else:
        values = {**to_dict(start.encoder.config), **config.change}
        settings = Part(start.encoder.name, from_dict(type(start.encoder.config), values, place="change"))
    if tokenizer is not None and hasattr(settings.config, "with_tokenizer"):
        settings = Part(settings.name, settings.config.with_tokenizer(tokenizer.name, tokenizer.size))
    return settings


def _essence(config: FinetuneConfig, encoder: Part) -> dict:
    """The configuration, with the encoder as it was made, less what does not change the result: folders, logging,
    threads."""
    values = to_dict(config)
    for name in ("model", "start", "change", "test", "seeds"):
        values.pop(name)
    if not config.base_rates:
        values.pop("base_rates")
    values["tokens"].pop("cache")
    values.pop("embeddings")
    values |= essence_of_embeddings(config.embeddings)
    data, run = essence_of(config.data), essence_of_run(config.run)
    return {**values, "encoder": encoder.to_dict(), "data": data, "run": run}


def _model(config, task, objective, network, tokenizer, source, result, valid: DataSet, progress) -> Model:
    """The model with its card."""
    folder = Path(config.model or config.run.out)
    card = {
        "trained_on": named(config.data),
        "task": task.name,
        "start": config.start or "new weights",
        "parameters": sum(p.numel() for name, p in network.state_dict().items() if "objective_heads." not in name),
        "residues_seen": config.run.steps * config.batch.residues,
        "validation": {name: round(value, 4) for name, value in result.items()},
        **told(source, objective),
        "recipe": _essence(config, Part(network.encoder.name, network.encoder.config)),
        "licence": "Apache-2.0",
    }
    if valid.classes:
        card["classes"] = {head: list(names) for head, names in valid.classes.items() if head in network.heads}
    model = Model(folder.name, network.eval().cpu(), tokenizer, Scoring(), card, embeddings=source)
    if hasattr(task, "calibrate"):
        examples = [valid[index] for index in range(len(valid))]
        card.update(task.calibrate(model, examples, progress=progress))
    return model
