"""One function over many inputs, here or in processes of their own, with the results in the order of the inputs."""

import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from plait.errors import InputError, PlaitError

AHEAD = 4
"""Inputs handed out in advance for each process, so that a slow one at the front keeps nobody waiting."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_function: Callable = None


def in_order(function: Callable, items: Iterable, workers: int = 1) -> Iterator:
    """`function(item)` of each item, in order.

    Parameters
    ----------
    function : callable
        With more than one worker it is pickled, once for each process; so are items and results.
    workers : int
        1: in this process. More: that many new processes with one thread each. They are spawned: a process forked after
        torch has used several threads hangs.

    Raises
    ------
    InputError
        If `workers` is below 1.
    PlaitError
        If a process ends before its work is done.
    """
    if workers < 1:
        raise InputError("too few workers", got=workers, expected="1 or more")
    return map(function, items) if workers == 1 else _spread(function, items, workers)


def _spread(function: Callable, items: Iterable, workers: int) -> Iterator:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        # as bytes: what the function needs is imported after the number of threads is set
        initargs=(pickle.dumps(function),),
    )
    waiting = deque()
    try:
        for item in items:
            waiting.append(pool.submit(_call, item))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise PlaitError(
            "a worker process ended before its work was done, perhaps for want of memory. "
            "Run the same again with fewer --workers."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(function: bytes) -> None:
    import signal

    global _function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out the work
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    _function = pickle.loads(function)


def _call(item):
    return _function(item)
