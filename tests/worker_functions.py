"""What the processes of test_workers run, in a module that is quick to import."""

import os
import signal
import time


def slow_start(item):
    """The first is done last; says in which process, and with how many threads."""
    time.sleep(0.3 if item == 0 else 0)
    return item, os.getpid(), os.environ["OMP_NUM_THREADS"]


def end_at_two(item):
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item
