"""Locks keep other processes out, and end with their owner."""

import errno
import fcntl
import os
import signal

import pytest

from utils import lock
from utils.errors import InputError
from utils.lock import locked


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE_S", 0.05)


def test_one_at_a_time_and_no_file_is_left(tmp_path):
    path = tmp_path / ".lock"
    for _ in range(2):
        with locked(path, "busy") as alone:
            assert alone
            with pytest.raises(InputError, match="busy"), locked(path, "busy"):
                pass
        assert not path.exists()


def test_a_lock_ends_with_its_owner(tmp_path):
    """The file stays; the lock does not."""
    path = tmp_path / ".lock"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with locked(path, "busy"):
            os.write(writer, b"locked")
            signal.pause()
    os.read(reader, 6)
    with pytest.raises(InputError, match="busy"), locked(path, "busy"):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.exists()
    with locked(path, "busy") as alone:
        assert alone
    assert not path.exists()


def test_a_file_removed_between_opening_and_locking(tmp_path, monkeypatch):
    """Two processes must not hold locks of two files of one name, one of them removed."""
    path, flock, calls = tmp_path / ".lock", fcntl.flock, []

    def late(*args):
        if not calls:
            path.unlink()  # by its last owner
        calls.append(args)
        return flock(*args)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(path, "busy"):
        assert len(calls) == 2 and path.exists()


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path / ".lock", "busy") as alone:
        assert not alone


def test_a_file_that_holds_something_is_somebodys(tmp_path):
    (tmp_path / ".lock").write_text("mine")
    with pytest.raises(InputError, match="not a lock file"), locked(tmp_path / ".lock", "busy"):
        pass
    assert (tmp_path / ".lock").read_text() == "mine"
