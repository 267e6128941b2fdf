"""Progress on a terminal is a bar; elsewhere it is a line now and then."""

import io
import sys
import threading

import pytest
from tqdm import tqdm

from utils import progress as module
from utils.progress import progress


class Screen(io.StringIO):
    def __init__(self, terminal: bool):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass with each step of the work."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr("tqdm.std.time", lambda: Clock.now)
    return Clock


def watch(monkeypatch, clock, terminal, steps, seconds, **options):
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    for _ in progress(range(steps), file=screen, unit=" places", **options):
        clock.now += seconds
    return screen.getvalue()


@pytest.mark.parametrize(("steps", "seconds", "least", "most"), [(10_000, 0.001, 0, 0), (10_000, 0.1, 20, 40), (20, 60, 15, 21)])
def test_a_log_gets_a_line_now_and_then(monkeypatch, clock, steps, seconds, least, most):
    text = watch(monkeypatch, clock, False, steps, seconds, desc="places of a", total=steps, delay=0)
    assert "\r" not in text and least <= text.count("\n") <= most
    assert all(line.startswith("places of a: ") and f"/{steps} [" in line for line in text.splitlines())


def test_a_terminal_gets_a_bar(monkeypatch, clock):
    text = watch(monkeypatch, clock, True, 100, 0.2)
    assert text.count("\r") > 20 and "100%" not in text.rpartition("\r")[2]


def test_messages_stay_alone_in_a_log(monkeypatch, clock):
    """A message between two lines adds no line, although it redraws a bar."""
    screen = Screen(False)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress(total=9, file=screen, desc="b") as bar:
        clock.now += module.EVERY_S + 1
        bar.update()
        tqdm.write("error: one line", file=screen)
        bar.set_postfix_str("loss 1", refresh=False)
    assert screen.getvalue().splitlines()[1:] == ["error: one line"]


def test_nothing_is_shown_where_messages_cannot_be(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert list(progress(range(3), desc="work", delay=0)) == [0, 1, 2]


def test_a_fork_finds_no_lock_taken(monkeypatch):
    """No thread draws bars, and the lock belongs to one process."""
    monkeypatch.setattr(sys, "stderr", Screen(True))
    before = threading.active_count()
    with progress(total=9, desc="b"):
        assert threading.active_count() == before and tqdm.monitor is None
    assert "multiprocessing" not in type(tqdm.get_lock()).__module__ and not hasattr(tqdm.get_lock(), "mp_lock")
