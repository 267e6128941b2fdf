"""Work in a child process: results and exceptions come back, a death is one line."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from utils.child import at_most, in_child
from utils.errors import InputError


def test_result_and_process():
    array, pid = in_child(lambda: (np.arange(100_000), os.getpid()), "file")
    assert np.array_equal(array, np.arange(100_000)) and pid != os.getpid()


@pytest.mark.parametrize("error", [InputError("row 3 is wrong"), KeyError("x"), OSError(28, "No space left on device"), SystemExit(3)])
def test_exceptions_are_passed_on(error):
    def work():
        raise error

    with pytest.raises(type(error)) as caught:
        in_child(work, "file")
    assert caught.value.args == error.args


class Unreadable(Exception):
    """It can be pickled, but not unpickled."""

    def __init__(self, what, where):
        super().__init__(what)


@pytest.mark.parametrize("error", [ValueError(lambda: None), Unreadable("a", "b")])
def test_an_exception_that_cannot_travel_is_passed_on(error):
    def work():
        raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        in_child(work, "file")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_child_that_is_asked_to_end_does_not_answer_in_the_commands_name(ending):
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with pytest.raises(InputError, match=f"^input.pbf: .*ended from outside .{ending.name}"):
            in_child(lambda: (os.kill(os.getpid(), ending), time.sleep(5)), "input.pbf")
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("written", [0, 7, 8, 1000, (1 << 16) + 8])
def test_a_child_killed_in_the_middle_of_its_result_is_one_line(monkeypatch, written):
    """The part of the result that arrived is not read."""
    real = os.fdopen

    def fdopen(file, mode, *arguments, **settings):
        if mode != "wb":
            return real(file, mode, *arguments, **settings)
        raw = real(file, mode, 0)

        class Torn:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def write(self, message):
                raw.write(message[:written])
                os.kill(os.getpid(), signal.SIGKILL)

        return Torn()

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(InputError, match="^input.pbf: .*SIGKILL"):
        in_child(lambda: bytes(1 << 20), "input.pbf")


DEATHS = {
    "segmentation fault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_death_is_one_line(death, capfd):
    with pytest.raises(InputError, match="^input.pbf: .*crashed"):
        in_child(death, "input.pbf")
    assert capfd.readouterr().err == ""


def test_a_child_that_hangs_is_ended(monkeypatch):
    """A child that works is not ended, however long it takes."""
    monkeypatch.setattr("utils.child.POLL_S", 0.3)
    monkeypatch.setattr("utils.child.IDLE_POLLS", 3)
    lock = threading.Lock()
    with lock, pytest.raises(InputError, match="^input.pbf: .*hangs.*; call the command again"):
        in_child(lock.acquire, "input.pbf")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)

    def work():
        started = time.process_time()
        while time.process_time() < started + 1:
            pass
        return bytes(1 << 22)

    assert in_child(work, "file") == bytes(1 << 22)


def test_standard_output_may_be_closed():
    code = "from utils.child import in_child\nassert in_child(lambda: 3, 'file') == 3"
    subprocess.run(["sh", "-c", '"$0" -c "$1" >&-', sys.executable, code], check=True)


def test_memory_is_limited():
    assert in_child(lambda: len(bytearray(2**20)), "file", memory_bytes=2**28) == 2**20
    with pytest.raises(MemoryError):
        in_child(lambda: len(bytearray(2**36)), "file", memory_bytes=2**28)


def test_no_child_is_left_over():
    for work in (lambda: 1, os.abort):
        try:
            in_child(work, "file")
        except InputError:
            pass
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_child_ends_with_its_parent(tmp_path):
    code = ("import os, time; from pathlib import Path; from utils.child import in_child\n"
            f"in_child(lambda: (Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())), time.sleep(600)), 'file')")  # fmt: skip
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    child = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    for _ in range(1000):
        try:
            os.kill(child, 0)
            with open(f"/proc/{child}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":  # ended; nobody has collected it in this container
                    return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.01)
    pytest.fail("the child lives on")


def test_memory_of_a_block_is_bounded_and_free_again_after_it():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), at_most(1 << 27):
        bytearray(1 << 36)  # more than the tests before can have left over in this process
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with at_most(1 << 29):
        assert len(bytearray(1 << 28)) == 1 << 28


def test_a_result_that_does_not_fit_into_the_memory_is_no_crash():
    with pytest.raises(MemoryError):
        in_child(lambda: bytes(1 << 28), "a file", (1 << 28) + (1 << 25))
