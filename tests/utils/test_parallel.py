"""Work over processes: results in order, failures passed on, a lost process named."""

import os
import signal
import sys
import time
from multiprocessing import active_children, get_context

import pytest

from utils import parallel
from utils.errors import InputError
from utils.parallel import in_order


@pytest.mark.parametrize("processes", [1, 2, 3, None])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_results_come_in_order(monkeypatch, n, processes):
    monkeypatch.setattr(parallel, "WINDOW", 16)
    assert list(in_order(lambda i: i * i, n, processes)) == [i * i for i in range(n)]


def test_work_is_spread_and_the_first_is_done_here():
    pids = list(in_order(lambda i: os.getpid(), 200, 2))
    assert pids[0] == os.getpid() and os.getpid() not in pids[1:]


@pytest.mark.parametrize("processes", [1, 2])
def test_failures_are_passed_on(processes):
    def work(i):
        if i == 20:
            raise InputError("place 20 is no good")
        return i

    results = in_order(work, 50, processes)
    with pytest.raises(InputError, match="place 20"):
        list(results)


def test_a_failure_tells_where_in_the_worker():
    with pytest.raises(InputError) as caught:
        list(in_order(_fails_at_1, 50, 2))
    assert "in a worker process" in str(caught.value.__cause__) and "in _fails_at_1" in str(caught.value.__cause__)


def test_results_that_wait_for_a_slow_one_are_bounded(monkeypatch):
    monkeypatch.setattr(parallel, "WINDOW", 16)
    furthest = get_context("fork").Value("i", 0)

    def work(i):
        if i == 1:
            time.sleep(0.5)
            return furthest.value
        furthest.value = max(furthest.value, i)

    assert 2 <= list(in_order(work, 400, 2, chunk=1))[1] <= 16 and furthest.value == 399


def test_a_lost_process_is_one_line():
    parent = os.getpid()

    def work(i):
        if i == 20 and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    with pytest.raises(InputError, match="fewer --processes"):
        list(in_order(work, 50, 2))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_end_does_not_answer_in_the_commands_name(ending):
    parent = os.getpid()
    handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def work(i):
        if i == 20 and os.getpid() != parent:
            os.kill(os.getpid(), ending)
        return i

    try:
        with pytest.raises(InputError, match="ended from outside"):
            list(in_order(work, 50, 2))
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_a_failure_does_not_wait_for_the_other_workers():
    parent = os.getpid()

    def work(i):
        if i == 1:
            raise InputError("place 1 is no good")
        if os.getpid() != parent:
            signal.pause()

    with pytest.raises(InputError, match="place 1"):
        list(in_order(work, 3, 2, chunk=1))
    assert not active_children()


def test_a_failure_ends_no_other_child():
    other = get_context("fork").Process(target=signal.pause)
    other.start()
    try:
        with pytest.raises(InputError, match="place 1"):
            list(in_order(_fails_at_1, 50, 2))
        assert other.is_alive()
    finally:
        other.kill()
        other.join()


def _fails_at_1(i):
    if i == 1:
        raise InputError("place 1 is no good")
    return i


def test_a_process_lost_in_the_middle_of_a_result_is_one_line():
    results = in_order(lambda i: bytes(1 << 24 if i > 1 else 1), 50, 2, chunk=1)  # large ones do not fit into the pipe
    assert [len(next(results)), len(next(results))] == [1, 1]
    time.sleep(0.2)  # both send, and the parent does not look
    for worker in active_children():
        worker.kill()
        worker.join()
    with pytest.raises(InputError, match="fewer --processes"):
        list(results)


@pytest.mark.parametrize("error", [EOFError("torn"), ConnectionResetError("reset"), SystemExit(3)])
def test_no_failure_of_the_work_passes_for_a_lost_process(error):
    def work(i):
        if i == 20:
            raise error

    with pytest.raises(type(error)):
        list(in_order(work, 50, 2))


class Unreadable(Exception):
    """It can be pickled, but not unpickled."""

    def __init__(self, what, where):
        super().__init__(what)


@pytest.mark.parametrize("error", [ValueError(lambda: None), Unreadable("a", "b")])
def test_a_failure_that_cannot_travel_is_passed_on(error):
    def work(i):
        if i == 20:
            raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        list(in_order(work, 50, 2))
