"""Work spread over processes, with results in order."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from typing import TypeVar

from utils.child import die_with_parent
from utils.errors import InputError

WINDOW = 1024  # calls in work at a time
T = TypeVar("T")

_work = None  # what forked workers call: a closure over a city's arrays cannot be pickled, but is inherited


def in_order(work: Callable[[int], T], n: int, processes: int | None = None, chunk: int = 8) -> Iterator[T]:
    """work(0), work(1), … work(n - 1), computed by forked processes; n is at least 1.

    Args:
        processes: default: one for each core.
        chunk: calls handed to a process at a time.

    Raises:
        InputError: a process was ended from outside.
        Exception: what `work` raises; all other work is dropped.
    """
    global _work
    processes = min(n, processes or len(os.sched_getaffinity(0)))
    first = work(0)  # compiles and builds what the workers then inherit
    yield first
    if processes == 1:
        yield from map(work, range(1, n))
        return
    _work = work
    others = set(active_children())
    with ProcessPoolExecutor(processes, get_context("fork"), _begin, (os.getpid(),)) as pool:
        try:
            for start in range(1, n, WINDOW):  # not all at once: a slow disk must not fill the memory with results
                stop = min(start + WINDOW, n)
                chunks = deque(pool.submit(_call, i, min(i + chunk, stop)) for i in range(start, stop, chunk))
                while chunks:  # pool.map would cancel them on failure, which a lost process answers with a traceback
                    yield from chunks.popleft().result()
        except BrokenProcessPool:
            raise InputError("a worker process was ended from outside, probably for want of memory; use fewer --processes") from None
        except BaseException:
            for worker in set(active_children()) - others:  # at once: a tile of a map takes a minute
                worker.kill()  # the pool sees that they are gone, and only its thread waits for them: two would race for their exit status
            raise


def _begin(parent: int) -> None:
    die_with_parent(parent)
    for ending in (signal.SIGTERM, signal.SIGINT):  # without the command's handlers, whose exceptions would pass for results
        signal.signal(ending, signal.SIG_DFL)


def _call(start: int, stop: int) -> list:
    return [_work(i) for i in range(start, stop)]
