"""How well models rank measured mutants: a folder of mutational scans, scored by each of several models."""

import contextlib
import dataclasses
import functools
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plait.config import to_dict
from plait.data.assays import (
    Assay,
    Measurements,
    Places,
    check_target,
    content_digest,
    read_assays,
    read_chain,
    read_measurements,
    read_published,
)
from plait.data.base import short_digest
from plait.errors import InputError
from plait.models.baselines import BASELINES
from plait.structure.protein import Protein
from plait.tasks.assay_scores import AssayScores, read_assay_scores, write_assay_scores
from plait.tasks.assay_tables import assay_table, published_names, summary_table
from plait.tasks.metrics import RANKING_METRICS

SCORES = "scores"
"""Folder in the output folder that holds the scores of each model and assay."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """An assay that could not be read, or that a model could not score (`model` is empty if it concerns all)."""

    assay: str
    model: str
    error: Exception


@dataclasses.dataclass(frozen=True, eq=False)
class DmsBenchmark:
    """Models on mutational scans, beside published ones.

    Attributes
    ----------
    assays : pandas.DataFrame
        A row an assay and model: `assay`, `protein`, `selection`, `model`, `published`, `mutants`, `scored`,
        `spearman`, `ndcg`, `top_recall`, `seconds` (of the model, for all substitutions of the structure). Published
        models have no numbers of mutants and no seconds.
    summary : pandas.DataFrame
        A row a metric, model and average, as `assay_averages.averages` makes it, with `published`; best first by
        mean Spearman correlation. Differences are to the first of the models.
    models : dict of str to dict
        Name of each model that was run, with its digest and what is known of it.
    failures : tuple of Failure
    reused : int
        How many pairs of model and assay were already there.
    arguments : dict
        Data folder and its digests, seed, number of resamples.
    """

    assays: Any
    summary: Any
    models: dict[str, dict]
    failures: tuple[Failure, ...]
    reused: int
    arguments: dict

    def wide(self, metric: str):
        """One metric as a pandas table [assays, models], models best first."""
        table = self.assays.pivot(index="assay", columns="model", values=metric)
        order = [name for name in dict.fromkeys(self.summary["model"]) if table[name].notna().any()]
        return table.reindex(index=list(dict.fromkeys(self.assays["assay"])), columns=order)

    @property
    def order(self) -> list[str]:
        """All models, published ones too, best mean Spearman correlation first."""
        return list(dict.fromkeys(self.summary["model"]))


def benchmark_dms(
    data: str | Path,
    models: Sequence = (None,),
    *,
    out: str | Path | None = None,
    seed: int = 0,
    resamples: int = 10_000,
    report: Callable[[Failure], None] | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> DmsBenchmark:
    """Score every assay of a folder with every model.

    Parameters
    ----------
    data : path
        A folder in the layout that `plait.data.assays` describes.
    models : sequence
        Of each the name, folder or hub id, the name of a baseline (`plait.models.baselines.BASELINES`), None for the
        default model, or anything with `name`, `digest` and `score_matrix(protein)`.
    out : path, optional
        Folder for the scores of each model and assay. Those that are there and were made from the same are not made
        again; without a folder nothing is kept.
    seed, resamples : int
        Of the bootstrap.
    report : callable, optional
        Called with each failure as it is met; the rest goes on.
    progress : callable, optional
        Wraps the list of structures.

    Raises
    ------
    InputError
        If the folder or a model is not there, or no assay could be scored by any model.
    """
    assays = read_assays(data)
    published = {metric: read_published(data, metric) for metric in RANKING_METRICS}
    named = _named(models)
    taken = published_names(published)
    clash = next((name for name in named if name in taken), None)
    if clash is not None:
        raise InputError("a model has the name of a published one", got=repr(clash), do="Rename its folder.")
    run = _Run(named, None if out is None else Path(out) / SCORES, report or (lambda failure: None))
    groups: dict[Path, list[Assay]] = {}
    for assay in assays:
        groups.setdefault(assay.structure, []).append(assay)
    for group in progress(list(groups.values())):
        run.structure(group)
    if not run.rows:
        raise InputError("no assay could be scored", file=data, got=str(run.failures[0].error))
    table = assay_table(assays, run.rows, published)
    return DmsBenchmark(
        assays=table,
        summary=summary_table(table, next(iter(named)), seed, resamples),
        models={name: _described(model) for name, model in named.items()},
        failures=tuple(run.failures),
        reused=run.reused,
        arguments={
            "data": str(data),
            "digests": run.digests,
            "seed": seed,
            "resamples": resamples,
            "not_comparable": [assay.id for assay in assays if not assay.comparable],
        },
    )


class _Run:
    """The rows, failures and digests that gather while structures are worked off."""

    def __init__(self, models: dict[str, Any], folder: Path | None, report):
        self.models, self.folder, self.report = models, folder, report
        self.rows: list[dict] = []
        self.failures: list[Failure] = []
        self.digests: dict[str, dict] = {}
        self.reused = 0
        self.subfolders = _file_names(models)

    def structure(self, group: list[Assay]) -> None:
        """All assays of one structure by all models. A model scores it once, and only if an assay asks for it."""
        chain = _Chain(group[0].structure)
        for assay in group:
            with self._failing(assay):
                digests = {"assay": content_digest(assay.file), "structure": content_digest(assay.structure)}
                self.digests[assay.id] = {**digests, "target": short_digest(assay.target_sequence.encode())}
                for name, model in self.models.items():
                    self._score(assay, name, model, chain)

    def _score(self, assay: Assay, name: str, model, chain: "_Chain") -> None:
        key = {**self.digests[assay.id], **_identity(name, model)}
        path = None if self.folder is None else self.folder / self.subfolders[name] / f"{assay.id}.parquet"
        scores = read_assay_scores(path, key) if path is not None and model.digest else None
        if scores is not None:
            self.reused += 1
        else:
            measured, places = chain.measured(assay)
            with self._failing(assay, name):
                matrix, seconds = chain.scored(name, model)
                texts = [one.text for one in measured.mutants]
                scores = AssayScores(texts, measured.values, places.scores(matrix), seconds)
                if not np.isfinite(scores.scores).any():
                    raise InputError(f"{name} has no score for any mutant of {assay.id}", file=assay.structure)
                if path is not None:
                    write_assay_scores(scores, key, path)
        if scores is not None:
            values = {metric: function(scores.scores, scores.measured) for metric, function in RANKING_METRICS.items()}
            counts = {"mutants": len(scores.mutants), "scored": int(np.isfinite(scores.scores).sum())}
            self.rows.append({"assay": assay.id, "model": name, **counts, **values, "seconds": scores.seconds})

    @contextlib.contextmanager
    def _failing(self, assay: Assay, model: str = ""):
        """A block whose errors are kept and reported, so that the rest goes on."""
        try:
            yield
        except Exception as error:
            failure = Failure(assay.id, model, error)
            self.failures.append(failure)
            self.report(failure)


class _Chain:
    """A structure, the mutants placed in it and what models say of it: each made when it is first asked for."""

    def __init__(self, file: Path):
        self.file = file
        self._measured: dict[str, tuple] = {}
        self._scored: dict[str, tuple] = {}

    @functools.cached_property
    def protein(self) -> Protein:
        return read_chain(self.file)

    def measured(self, assay: Assay) -> tuple[Measurements, Places]:
        if assay.id not in self._measured:
            check_target(assay, self.protein)
            table = read_measurements(assay)
            self._measured[assay.id] = table, table.places(self.protein)
        return self._measured[assay.id]

    def scored(self, name: str, model) -> tuple[np.ndarray, float]:
        if name not in self._scored:
            started = time.perf_counter()
            matrix = model.score_matrix(self.protein)
            self._scored[name] = matrix, time.perf_counter() - started
        return self._scored[name]


# -- models


def _named(models: Sequence) -> dict[str, Any]:
    """Models by distinct names: their own, or as they were given where two have the same."""
    if not models:
        raise InputError("no model given", expected="names, folders or hub ids of models, or baselines")
    loaded = [(given, _model(given)) for given in models]
    names = [model.name for _, model in loaded]
    named: dict[str, Any] = {}
    for given, model in loaded:
        name = model.name if names.count(model.name) == 1 else str(given)
        if name in named:
            raise InputError("a model is given twice", got=repr(name))
        named[name] = model
    return named


def _model(given):
    if hasattr(given, "score_matrix"):
        return given
    if given in BASELINES:
        return BASELINES[given]
    from plait.models.loading import load

    return load(given)


def _identity(name: str, model) -> dict:
    """What tells a model's scores from another's: its digest, how it scores, and the program."""
    from plait import __version__

    scoring = getattr(model, "scoring", None)  # the digest is that of the weights alone
    scored = short_digest(repr(to_dict(scoring)).encode()) if scoring is not None else None
    return {"model": name, "model_digest": model.digest, "scoring": scored, "plait": __version__}


def _described(model) -> dict:
    card = getattr(model, "card", None) or {}
    summary = getattr(model, "summary", None) or card.get("trained_on")
    return {"digest": model.digest or None, "summary": summary, "scoring": to_dict(getattr(model, "scoring", None))}


def _file_names(names: Iterable[str]) -> dict[str, str]:
    """A folder name for each model that any file system takes, each another one."""
    taken: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^\w.+-]+", "-", name).strip(".-") or "model"
        while plain in taken.values():
            plain += "-2"
        taken[name] = plain
    return taken
