"""Embeddings in a training: where a recipe takes them from, and what of them the encoder is shown."""

import dataclasses
from collections.abc import Callable

from plait.config import Part
from plait.data.base import DataSet
from plait.data.embeddings import WithEmbeddings
from plait.errors import InputError
from plait.models.embedding_arrays import FileEmbeddings
from plait.models.embedding_sources import ModelEmbeddings
from plait.objectives.base import Objective
from plait.training.options import EmbeddingOptions


def embedding_source(options: EmbeddingOptions):
    """The source of embeddings that a recipe names; None if it names none.

    Raises
    ------
    InputError
    """
    if options.model and options.file:
        raise InputError("embeddings from two places", got=f"{options.model}, {options.file}", expected="model or file")
    if options.model:
        return ModelEmbeddings(options.model)
    return FileEmbeddings(options.file) if options.file else None


def reading(settings: Part, source) -> Part:
    """The encoder's settings with the width of the embeddings that it is to read.

    Raises
    ------
    InputError
        If it reads none, those of another width, or some where the recipe names none.
    """
    width = getattr(settings.config, "language_width", None)
    if source is None:
        if width:
            raise InputError(
                "the encoder reads embeddings, and the recipe names none",
                got=f"{settings.name} with language_width {width}",
                do="Name them: embeddings: {model: plait-geometry}, or {file: ...}.",
            )
        return settings
    if width is None:
        raise InputError("this encoder reads no embeddings", got=settings.name, expected="vabsnet")
    if width not in (0, source.width):
        raise InputError(
            "embeddings of another width than the encoder reads",
            got=f"{source.width} values for each residue",
            expected=f"{width}, the encoder's language_width",
        )
    return Part(settings.name, dataclasses.replace(settings.config, language_width=source.width))


def with_embeddings(options: EmbeddingOptions, source, sets: list[DataSet], progress: Callable) -> list[DataSet]:
    """The sets with embeddings; as they are if there is no source."""
    if source is None:
        return sets
    return [WithEmbeddings(dataset, source, folder=options.cache, progress=progress) for dataset in sets]


def told(source, objective: Objective) -> dict:
    """What the record of a run, and the card, say of embeddings: nothing where none are read."""
    if source is None:
        return {}
    shown = (
        "rows of residues that are not hidden; made of whole chains, they tell of the types of hidden neighbours"
        if objective.shows_embeddings
        else "none: all rows are zero, as an objective asks what they tell"
    )
    return {"embeddings": {**source.record, "digest": source.digest, "shown": shown}}


def essence_of_embeddings(options: EmbeddingOptions) -> dict:
    """The options less the folder, which changes nothing; none for a recipe without, as runs from before have it."""
    named = {"model": options.model, "file": options.file}
    return {"embeddings": named} if any(named.values()) else {}
