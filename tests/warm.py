"""Commands and readers in forks of this process, which has imported them: as good as processes of their own, a hundred times faster."""

import faulthandler
import gc
import importlib
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from utils.errors import run_command


class Result(NamedTuple):
    """How a fork ended."""

    status: int  # below zero: minus the signal that ended it
    out: str
    err: str
    seconds: float
    memory: int  # bytes beyond what it inherited, at their most
    timed_out: bool


def call(command: str, *arguments, cwd: Path, timeout_s: float = 60, memory_bytes: int | None = None) -> Result:
    """Calls `python -m COMMAND ARGUMENTS` in a folder."""
    package = find_spec(command).submodule_search_locations is not None
    main = importlib.import_module(f"{command}.__main__" if package else command).main

    def work() -> None:
        os.chdir(cwd)
        sys.argv = [command, *map(str, arguments)]
        run_command(main)

    return forked(work, timeout_s, memory_bytes)


def forked(work: Callable[[], None], timeout_s: float, memory_bytes: int | None = None) -> Result:
    """Runs `work` in a fork of this process with all that it starts, and ends them when the time is over.

    Args:
        memory_bytes: address space that it may take beyond what it inherits; asked for more, the system says no.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        inherited, started = _pages("statm", 1), time.monotonic()
        child = os.fork()
        if child == 0:
            _run(work, out.fileno(), err.fileno(), memory_bytes)  # never returns
        pidfd = os.pidfd_open(child)
        try:
            timed_out = not select.select([pidfd], [], [], timeout_s)[0]
        finally:
            os.close(pidfd)
            _end_group(child)
            _, code, usage = os.wait4(child, 0)
        seconds = time.monotonic() - started
        texts = [os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace") for file in (out, err)]
    memory = max(0, usage.ru_maxrss * 1024 - inherited)
    return Result(os.waitstatus_to_exitcode(code), *texts, seconds, memory, timed_out)


def _end_group(child: int) -> None:
    """Ends what is left of the child's session: workers that outlived it, or all of it when its time is over."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:  # it has not come so far as to lead a session
        os.kill(child, signal.SIGKILL)


def _run(work: Callable[[], None], out: int, err: int, memory_bytes: int | None) -> None:
    status = 1
    try:
        os.setsid()
        gc.freeze()  # what was inherited is not looked at again, and so not copied
        faulthandler.disable()
        for target, file in ((1, out), (2, err)):
            os.dup2(file, target)
        sys.stdout, sys.stderr = (os.fdopen(fd, "w", buffering=1, errors="backslashreplace", closefd=False) for fd in (1, 2))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory_bytes is not None:  # the soft limit: children of its own may set theirs
            resource.setrlimit(resource.RLIMIT_AS, (_pages("statm", 0) + memory_bytes, resource.RLIM_INFINITY))
        try:
            work()
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # no exit handlers: they are the parent's


def _pages(file: str, column: int) -> int:
    with open(f"/proc/self/{file}") as text:
        return int(text.read().split()[column]) * resource.getpagesize()
