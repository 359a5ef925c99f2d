"""Which examples make up training step n: a function of the seed alone, so that a run resumes where it was."""

import dataclasses

import numpy as np

from plait.config import option
from plait.data.base import DataSet, Example
from plait.data.mixture import Mixture
from plait.errors import InputError


@dataclasses.dataclass(frozen=True)
class BatchConfig:
    residues: int = option(4096, "residues in a batch, at most (a single longer example goes alone)")
    crop: int = option(384, "longer chains are cut to a random stretch of so many residues; 0: never")
    cluster_power: float = option(
        0.5, "how often an example is drawn in an epoch: cluster size to the minus this power, 0 for all alike"
    )


class Batches:
    """The batches of a data set in training: `batches[step]` gives the examples of a step.

    An epoch draws examples in proportion to cluster size to the power of `-cluster_power` (as many as the set has),
    sorts neighbours in a random order by length into buckets, and fills batches up to `residues`. Of a `Mixture`, each
    part has its share of the draws. All chance comes from (seed, epoch) and (seed, step), so any step can be made
    alone, in any process.
    """

    def __init__(self, dataset: DataSet, config: BatchConfig, *, seed: int):
        self.dataset, self.config, self.seed = dataset, config, seed
        self._epochs: dict[int, list[np.ndarray]] = {}
        self._starts = [0]

    def __getitem__(self, step: int) -> list[Example]:
        generator = self.generator(step)
        examples = []
        for index in self._indices(step):
            try:
                example = self.dataset[int(index)]
            except InputError:
                continue
            residues, crop = len(example.protein), self.config.crop
            if crop and residues > crop:
                example = example.crop(int(generator.integers(residues - crop + 1)), crop)
            examples.append(example)
        return examples

    def generator(self, step: int) -> np.random.Generator:
        """The random generator of a step, for crops and then for the objective."""
        return np.random.default_rng([self.seed, 1, step])

    def epoch_of(self, step: int) -> int:
        self._indices(step)
        return int(np.searchsorted(self._starts, step, side="right")) - 1

    def _indices(self, step: int) -> np.ndarray:
        while self._starts[-1] <= step:
            epoch = len(self._starts) - 1
            self._starts.append(self._starts[-1] + len(self._plan(epoch)))
        epoch = int(np.searchsorted(self._starts, step, side="right")) - 1
        return self._plan(epoch)[step - self._starts[epoch]]

    def _plan(self, epoch: int) -> list[np.ndarray]:
        if epoch not in self._epochs:
            self._epochs = {epoch: self._make_plan(np.random.default_rng([self.seed, 0, epoch]))}
        return self._epochs[epoch]

    def _make_plan(self, generator: np.random.Generator) -> list[np.ndarray]:
        count = len(self.dataset)
        order = generator.permutation(count)
        weight = _draw_weights(self.dataset, self.config.cluster_power)
        if weight is not None:
            order = generator.choice(count, size=count, p=weight / weight.sum())
        lengths = np.asarray(self.dataset.lengths)
        if self.config.crop:
            lengths = np.minimum(lengths, self.config.crop)
        jitter = lengths[order] * generator.uniform(0.9, 1.1, count)
        batches, batch, longest = [], [], 0
        for index in order[np.argsort(jitter, kind="stable")]:
            longest = max(longest, int(lengths[index]))
            if batch and longest * (len(batch) + 1) > self.config.residues:
                batches.append(np.array(batch))
                batch, longest = [], int(lengths[index])
            batch.append(index)
        if batch:
            batches.append(np.array(batch))
        return [batches[position] for position in generator.permutation(len(batches))]


def _draw_weights(dataset: DataSet, cluster_power: float) -> np.ndarray | None:
    """How often an example is drawn, relative to others, float [N]; None where each is drawn once an epoch."""
    clusters = getattr(dataset, "clusters", None)
    weight = None
    if clusters is not None and cluster_power > 0:
        _, inverse, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
        weight = sizes[inverse].astype(float) ** -cluster_power
    if isinstance(dataset, Mixture):
        weight = np.ones(len(dataset)) if weight is None else weight
        weight *= (dataset.shares / np.bincount(dataset.part, weight))[dataset.part]
    return weight


def in_order(dataset: DataSet, residues: int) -> list[np.ndarray]:
    """All examples once, by length, in batches of at most so many residues: for validation."""
    order = np.argsort(dataset.lengths, kind="stable")
    batches, batch = [], []
    for index in order:
        if batch and dataset.lengths[index] * (len(batch) + 1) > residues:
            batches.append(np.array(batch))
            batch = []
        batch.append(index)
    return [*batches, np.array(batch)] if batch else batches
