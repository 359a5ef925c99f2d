"""Work spread over processes: order, threads, and what happens where one ends."""

import os
import pickle

import numpy as np
import pytest
from worker_functions import end_at_two, slow_start

from plait.errors import InputError, PlaitError
from plait.structure import read_structure
from plait.tokenizers import load_tokenizer
from plait.workers import in_order


def test_results_come_in_order_from_processes_with_one_thread():
    found = list(in_order(slow_start, iter(range(20)), 2))
    assert [item for item, _, _ in found] == list(range(20))
    assert os.getpid() not in {process for _, process, _ in found}
    assert {threads for _, _, threads in found} == {"1"}


def test_one_worker_is_this_process(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert list(in_order(slow_start, [1], 1)) == [(1, os.getpid(), "3")]


def test_inputs_are_not_all_taken_at_once():
    taken = []
    found = in_order(slow_start, (taken.append(item) or item for item in range(1000)), 2)
    next(found)
    assert len(taken) < 20
    found.close()


def test_a_worker_that_is_killed_ends_the_run_with_a_reason():
    with pytest.raises(PlaitError, match="a worker process ended"):
        list(in_order(end_at_two, range(50), 2))


def test_too_few_workers():
    with pytest.raises(InputError, match="too few workers"):
        in_order(len, [], 0)


@pytest.mark.parametrize("name", ["gvp-chain", "3di", "dssp"])
def test_tokenizers_travel(name, structures):
    """What a worker unpickles gives the same tokens."""
    tokenizer = load_tokenizer(name)
    protein = read_structure(structures / "1ubi.pdb")
    assert np.array_equal(pickle.loads(pickle.dumps(tokenizer))(protein), tokenizer(protein))
