"""Work spread over processes, with results in order."""

import os
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

from utils.child import die_with_parent, portable, without_handlers
from utils.errors import InputError

WINDOW = 1024  # calls in work at a time
T = TypeVar("T")


def in_order(work: Callable[[int], T], n: int, processes: int | None = None, chunk: int = 8) -> Iterator[T]:
    """work(0), work(1), … work(n - 1), computed by forked processes; n is at least 1.

    The executor of the standard library waits for ever if a worker is killed while it sends a result: all workers share one pipe, which
    the parent holds open, too. Here each worker has a pipe of its own, which ends with it.

    Args:
        work: inherited by the workers, so a closure over a city's arrays costs nothing; its results must be picklable.
        processes: default: one for each core.
        chunk: calls handed to a process at a time.

    Raises:
        InputError: a process was ended from outside.
        Exception: what `work` raises; all other work is dropped.
    """
    processes = min(n, processes or len(os.sched_getaffinity(0)))
    first = work(0)  # compiles and builds what the workers then inherit
    yield first
    if processes == 1:
        yield from map(work, range(1, n))
        return
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        for _ in range(processes):
            workers.append(_start(work))
        yield from _spread([connection for _, connection in workers], n, chunk)
    finally:
        for worker, _ in workers:  # at once: after a failure elsewhere, a tile of a map might take another minute
            worker.kill()
        for worker, connection in workers:
            worker.join()
            connection.close()


def _spread(connections: list[Connection], n: int, chunk: int) -> Iterator:
    """Results in order; each worker answers its chunks in the order in which it was given them."""
    given: dict[Connection, deque[int]] = {connection: deque() for connection in connections}
    waiting: deque[int] = deque(range(1, n, chunk))
    done: dict[int, list] = {}
    at_hand = 1 if chunk == 1 else 2  # a worker with short calls need not wait for the next; a long call goes to the first free worker
    for start in range(1, n, chunk):
        looked = False
        while start not in done or not looked:
            looked = True
            try:
                for connection in connections * at_hand:
                    if waiting and len(given[connection]) < at_hand and waiting[0] < start + WINDOW:  # a slow disk must not fill the memory
                        given[connection].append(waiting[0])
                        connection.send((waiting[0], min(waiting.popleft() + chunk, n)))
                ready = wait([c for c in connections if given[c]], 0 if start in done else None)
                answers = [(connection, connection.recv()) for connection in connections if connection in ready]
            except (EOFError, OSError):  # OSError: in the middle of an answer
                raise InputError("a worker process was ended from outside, probably for want of memory; use fewer --processes") from None
            for connection, (results, error, where) in answers:
                if error is not None:
                    raise error from RuntimeError(f"in a worker process:\n{where}")
                done[given[connection].popleft()] = results
        yield from done.pop(start)


def _start(work: Callable) -> tuple[BaseProcess, Connection]:
    """A worker, and the parent's end of its pipe."""
    here, there = get_context("fork").Pipe()
    worker = get_context("fork").Process(target=_answer, args=(work, there, os.getpid()), daemon=True)
    worker.start()
    there.close()  # the worker alone holds it now, so that the pipe ends with the worker
    return worker, here


def _answer(work: Callable, connection: Connection, parent: int) -> None:
    die_with_parent(parent)
    without_handlers()
    while True:
        start, stop = connection.recv()
        try:
            connection.send(([work(i) for i in range(start, stop)], None, ""))
        except BaseException as error:  # the parent raises it
            connection.send((None, portable(error), traceback.format_exc()))
