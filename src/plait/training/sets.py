"""The sets of a run: what is trained on, and what is held out to judge it."""

import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from plait.config import Part
from plait.data.base import DataSet, Example, short_digest
from plait.errors import InputError
from plait.registry import get

HELD_OUT = 20
"""One cluster in so many is held out of a split that has no split for validation beside it."""

LONGEST = 1000
"""Longer proteins are left out of validation where the recipe names no other length."""


class Subset(DataSet):
    """Some examples of a set, in the order of `indices`."""

    def __init__(self, dataset: DataSet, indices: Sequence[int]):
        self.dataset, self.indices = dataset, np.asarray(indices, np.int64)
        self.lengths = np.asarray(dataset.lengths)[self.indices]
        self.ids = tuple(dataset.ids[index] for index in self.indices) if hasattr(dataset, "ids") else None
        clusters = getattr(dataset, "clusters", None)
        self.clusters = None if clusters is None else np.asarray(clusters)[self.indices]
        self.classes = dataset.classes

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        return self.dataset[int(self.indices[index])]

    @property
    def digest(self) -> str:
        return short_digest(self.dataset.digest.encode(), self.indices.tobytes())


def open_set(data: Part, **changes) -> DataSet:
    """The data set of a recipe, with some options changed."""
    return get("dataset", data.name)(dataclasses.replace(data.config, **changes))


def training_and_validation(data: Part) -> tuple[DataSet, DataSet]:
    """The set that a recipe names, and the examples that judge what is learned from it.

    The split "valid" of the same set stands beside the split "train" (and "test", for what is fitted to it on purpose).
    A split of another name, such as "pretrain" of the complexes, has none: one cluster in `HELD_OUT`, by the digest of
    its number, is then held out of it. Proteins above `LONGEST` residues are not in validation unless the recipe's own
    `longest` lets them.

    Raises
    ------
    InputError
        If the set has neither.
    """
    train = open_set(data)
    options = {field.name for field in dataclasses.fields(data.config)}
    longest = {"longest": data.config.longest or LONGEST} if "longest" in options else {}
    if "valid" in splits_of(data) and data.config.split in ("train", "valid", "test"):
        return train, open_set(data, split="valid", **longest)
    held_out = held_out_clusters(train)
    limit = data.config.longest if longest and data.config.longest else LONGEST
    judges = held_out & (np.asarray(train.lengths) <= limit)
    if not judges.any() or held_out.all():
        raise InputError(
            "nothing to validate on",
            got=f"{data.name}, {len(train)} examples in {len(np.unique(train.clusters))} clusters",
            expected="a split valid, or enough clusters to hold some out",
        )
    return Subset(train, np.flatnonzero(~held_out)), Subset(train, np.flatnonzero(judges))


def splits_of(data: Part) -> tuple[str, ...]:
    """The splits that a set's option `split` allows; none if it has no such option."""
    hint = typing.get_type_hints(type(data.config)).get("split")
    return tuple(typing.get_args(hint)) if typing.get_origin(hint) is typing.Literal else ()


def held_out_clusters(dataset: DataSet) -> np.ndarray:
    """Which examples are of the one cluster in `HELD_OUT` that is held out, bool [N]; the same in every run."""
    clusters = getattr(dataset, "clusters", None)
    clusters = np.arange(len(dataset)) if clusters is None else np.asarray(clusters)
    numbers, inverse = np.unique(clusters, return_inverse=True)
    chosen = [int(short_digest(f"held out {number}".encode()), 16) % HELD_OUT == 0 for number in numbers]
    return np.array(chosen, bool)[inverse]


def named(data: Part) -> str:
    """The set in words, for a card: its name and split, and what is left out."""
    left_out = {
        "near_dms": "without chains similar to targets of mutational scans (strict form)",
        "near_dms_cluster": "without the clusters of chains similar to targets of mutational scans",
        "near_test": "without entries near test",
        "near_dude": "without entries near test_dude",
        "near_both": "without entries near test or test_dude",
        "related": "without entries near test or test_dude, nor clusters of later splits",
    }
    exclude = getattr(data.config, "exclude", "nothing")
    rest = "all chains" if data.name == "corpus" else "all entries"
    text = f"{data.name}, {getattr(data.config, 'split', 'all')} clusters, {left_out.get(exclude, rest)}"
    if getattr(data.config, "heldout", None) is False:
        text += ", without relatives of the further set that is kept apart"
    if getattr(data.config, "leave_out", ""):
        text += f", without those of {Path(data.config.leave_out).name}"
    return text


def essence_of(data: Part) -> dict:
    """A set's options less the folders that it lies in, which do not change what is learned."""
    values = data.to_dict()
    if data.name == "corpus":  # as runs from before other sets could be named have it
        values.pop("name")
    return {name: value for name, value in values.items() if name not in ("folder", "corpus", "complexes")}
