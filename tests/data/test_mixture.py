"""Several sets as one: shares, places, and steps that depend on the seed alone."""

import numpy as np
import pytest

from plait.data.base import DataSet, Example, short_digest
from plait.data.batches import BatchConfig, Batches
from plait.data.mixture import Mixture
from plait.errors import InputError
from plait.structure.protein import Protein


class Chains(DataSet):
    """A set in memory: chains of given lengths, named after the set, `per_cluster` to a cluster."""

    def __init__(self, name, lengths, per_cluster=1):
        self.name, self.lengths = name, np.asarray(lengths)
        self.clusters = np.arange(len(lengths)) // per_cluster

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        if self.name == "broken":
            raise InputError("broken record", place=str(index))
        length = int(self.lengths[index])
        protein = Protein.from_backbone("A" * length, np.zeros((length, 3, 3), np.float32))
        return Example(f"{self.name} {index}", protein, cluster=int(self.clusters[index]))

    @property
    def digest(self):
        return short_digest(self.name.encode(), self.lengths.tobytes())


@pytest.fixture
def large():
    return Chains("large", np.random.default_rng(0).integers(30, 500, 600), per_cluster=4)


@pytest.fixture
def small():
    return Chains("small", np.random.default_rng(1).integers(30, 110, 40))


def drawn(dataset, **options):
    """The names of all examples of the first epoch."""
    batches = Batches(dataset, BatchConfig(residues=2048, crop=128, **options), seed=3)
    steps, names = 0, []
    while batches.epoch_of(steps) == 0:
        names += [example.id for example in batches[steps]]
        steps += 1
    return names


def test_every_example_has_its_place(large, small):
    mixture = Mixture([large, small], [1, 1])
    assert len(mixture) == 640
    for index in (0, 599, 600, 639, -1):
        example = mixture[index]
        assert len(example.protein) == mixture.lengths[index]
        assert example.id == (f"large {index}" if 0 <= index < 600 else f"small {index % 640 - 600}")
    with pytest.raises(IndexError):
        mixture[640]


def test_clusters_of_different_sets_stay_apart(large, small):
    mixture = Mixture([large, small], [1, 1])
    assert not set(mixture.clusters[:600]) & set(mixture.clusters[600:])
    assert len(set(mixture.clusters.tolist())) == 150 + 40
    assert np.array_equal(np.diff(mixture.clusters[:600]) != 0, np.diff(large.clusters) != 0)


@pytest.mark.parametrize("cluster_power", [0.0, 0.5])
def test_each_set_has_its_share_of_the_draws(large, small, cluster_power):
    names = drawn(Mixture([large, small], [3, 1]), cluster_power=cluster_power)
    assert len(names) == 640
    # four standard deviations of a share of 0.25 in 640 draws are 0.07
    assert abs(np.mean([name.startswith("small") for name in names]) - 0.25) < 0.07
    assert len(set(names)) > 300


def test_cluster_weights_hold_within_a_set():
    sizes = Chains("uneven", np.full(1000, 50))
    sizes.clusters = np.where(np.arange(1000) < 900, 0, np.arange(1000))
    other = Chains("other", np.full(1000, 50))
    names = [name for name in drawn(Mixture([sizes, other], [1, 1]), cluster_power=1.0) if name.startswith("uneven")]
    alone = np.mean([int(name.split()[1]) >= 900 for name in names])
    # a hundred clusters of one against one of 900: 100 of 101 draws
    assert alone > 0.96


def test_steps_are_the_same_however_they_are_reached(large, small):
    def names(batches, step):
        return [(example.id, len(example.protein)) for example in batches[step]]

    mixture = Mixture([large, small], [0.8, 0.2])
    straight, jumping = (Batches(mixture, BatchConfig(residues=2048), seed=1) for _ in range(2))
    expected = [names(straight, step) for step in range(40)]
    assert [names(jumping, step) for step in (39, 2, 20)] == [expected[step] for step in (39, 2, 20)]


def test_a_broken_record_of_one_set_does_not_stop_the_other(small):
    names = drawn(Mixture([small, Chains("broken", np.full(40, 50))], [1, 1]))
    assert names
    assert all(name.startswith("small") for name in names)


def test_digest_tells_parts_and_shares_apart(large, small):
    digests = {
        Mixture(parts, shares).digest
        for parts, shares in (
            ([large, small], [1, 1]),
            ([small, large], [1, 1]),
            ([large, small], [2, 1]),
            ([large], [1]),
        )
    }
    assert len(digests) == 4
    assert Mixture([large, small], [2, 2]).digest == Mixture([large, small], [1, 1]).digest


@pytest.mark.parametrize("shares", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_shares_that_do_not_fit_are_refused(large, small, shares):
    with pytest.raises(InputError, match="expected 2 numbers above 0"):
        Mixture([large, small], shares)
