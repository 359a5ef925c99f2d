"""Batches: a function of seed and step."""

import numpy as np
import pytest

from plait.data.base import Example
from plait.data.batches import BatchConfig, Batches, in_order
from plait.structure.protein import Protein


class Chains:
    """A set in memory: chains of given lengths."""

    def __init__(self, lengths):
        self.lengths = np.asarray(lengths)
        self.clusters = np.arange(len(lengths)) // 3

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        length = int(self.lengths[index])
        backbone = np.zeros((length, 3, 3), np.float32) + np.arange(length)[:, None, None]
        return Example(str(index), Protein.from_backbone("A" * length, backbone))


@pytest.fixture
def chains():
    return Chains(np.random.default_rng(0).integers(30, 500, 200))


def names(batch):
    return [(example.id, len(example.protein), float(example.protein.c_alpha[0, 0])) for example in batch]


def test_a_step_is_the_same_however_it_is_reached(chains):
    config = BatchConfig(residues=1024, crop=128)
    straight = Batches(chains, config, seed=1)
    expected = [names(straight[step]) for step in range(60)]
    jumping = Batches(chains, config, seed=1)
    for step in (59, 3, 40, 0):
        assert names(jumping[step]) == expected[step]
    assert names(Batches(chains, config, seed=2)[0]) != expected[0]


def test_batches_keep_to_their_size_and_crop(chains):
    batches = Batches(chains, BatchConfig(residues=1024, crop=128), seed=0)
    for step in range(40):
        lengths = [len(example.protein) for example in batches[step]]
        assert max(lengths) <= 128
        assert max(lengths) * len(lengths) <= 1024


def test_without_weights_an_epoch_has_every_example_once(chains):
    batches = Batches(chains, BatchConfig(residues=2048, crop=0, cluster_power=0), seed=0)
    seen, step = [], 0
    while batches.epoch_of(step) == 0:
        seen += [example.id for example in batches[step]]
        step += 1
    assert sorted(seen, key=int) == [str(i) for i in range(len(chains))]


def test_validation_has_every_example_once(chains):
    batches = in_order(chains, 2000)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(chains)))
    assert all(chains.lengths[b].max() * len(b) <= 2000 or len(b) == 1 for b in batches)
