"""Work in a child process: if a native library crashes, only the child ends, and the caller gets one line.

Linux only, as forking is used throughout.
"""

import ctypes
import faulthandler
import os
import pickle
import resource
import select
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from utils.errors import InputError

T = TypeVar("T")
ENDINGS = (signal.SIGTERM, signal.SIGINT)  # how a process is asked to end
POLL_S = 10.0
IDLE_POLLS = 12  # in which the child spends no CPU time; then it counts as hung, as threads of native readers may lock each other
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(parent: int) -> None:
    """Ends this process as soon as its parent ends, however that ends.

    Args:
        parent: process id of the parent, read there before the fork: it may have ended since.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def without_handlers() -> None:
    """Lets signals end this process at once. The command's own handlers raise an exception, which would be taken for a result."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_DFL)


def portable(error: BaseException) -> BaseException:
    """The error as the parent process will read it; its text as a RuntimeError if it cannot be pickled."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(repr(error))


def in_child(work: Callable[[], T], what: str, memory_bytes: int | None = None) -> T:
    """The result of `work()`, computed in a forked child process.

    What `work` changes in memory is lost; what it writes to disk and what it returns stays.

    Args:
        work: its result must be picklable.
        what: what is read, for the message, e.g. the file's path.
        memory_bytes: address space that the child may take beyond what it inherits; default: no limit.

    Raises:
        InputError: the child died, e.g. of a segmentation fault in a native library, was ended from outside, or did nothing for two
            minutes.
        Exception: what `work` raises, as `portable`; a MemoryError where the limit was reached.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # either may be closed
        stream.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run(work, writer, parent, memory_bytes)  # never returns
    os.close(writer)
    try:
        message = _received(reader, child, what)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reader)
        _, status = os.waitpid(child, 0)
    length = struct.calcsize("Q")
    if len(message) < length or len(message) != length + struct.unpack("Q", message[:length])[0]:
        code = os.waitstatus_to_exitcode(status)
        reason = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        if -code in ENDINGS:
            raise InputError(f"{what}: the process that reads it was ended from outside ({reason}); call the command again")
        raise InputError(f"{what}: the library that reads it crashed ({reason}); the file is damaged")
    succeeded, result = pickle.loads(message[length:])  # written by our own child
    if not succeeded:
        raise result
    return result


def _received(reader: int, child: int, what: str) -> bytes:
    """All that the child writes before it ends."""
    message, poll, idle = bytearray(), select.poll(), 0
    worked: tuple[str, ...] = ()
    poll.register(reader, select.POLLIN)
    while idle < IDLE_POLLS:
        if poll.poll(1000 * POLL_S):
            piece = os.read(reader, 1 << 20)
            if not piece:
                return bytes(message)
            message += piece
        else:
            before, worked = worked, _cpu_time(child)
            idle = idle + 1 if worked and worked == before else 0
    raise InputError(f"{what}: the process that reads it hangs, it has done nothing for {IDLE_POLLS * POLL_S:g} s; call the command again")


def _cpu_time(process: int) -> tuple[str, ...]:
    """Clock ticks that a process has spent, as a user and in the kernel (proc_pid_stat(5)); empty while it waits for a disk."""
    with open(f"/proc/{process}/stat") as file:
        state, *fields = file.read().rpartition(")")[2].split()
    return () if state == "D" else (fields[10], fields[11])


@contextmanager
def at_most(memory_bytes: int) -> Iterator[None]:
    """Limits the address space that this process may take during the block, beyond what it has.

    More raises MemoryError, or whatever a library makes of it. Not for several threads: one that cannot start ends the process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _address_space_bytes() + memory_bytes
    bounds = [b for b in (limit, soft, hard) if b != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _run(work: Callable, writer: int, parent: int, memory_bytes: int | None) -> None:
    status = 1
    try:
        die_with_parent(parent)
        without_handlers()
        faulthandler.disable()
        _quiet_native_messages()
        if memory_bytes is not None:
            limit = _address_space_bytes() + memory_bytes
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            body = pickle.dumps((True, work()))
        except BaseException as error:  # the parent raises it
            body = pickle.dumps((False, portable(error)))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(struct.pack("Q", len(body)) + body)
        if sys.stdout:
            sys.stdout.flush()
        status = 0
    finally:
        os._exit(status)  # no exit handlers: they are the parent's


def _quiet_native_messages() -> None:
    """Python's own messages still reach the terminal; "terminate called after …" of a dying library does not."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    os.close(silent)


def _address_space_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
