"""Bad input: one clear line on the terminal and a non-zero exit, from every command."""

import errno
import io
import os
import re
import signal
import sys
from collections.abc import Callable

from tqdm import tqdm

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EBUSY)
NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)
TORCH_OUT_OF_MEMORY = re.compile(r"DefaultCPUAllocator: |CUDA.* out of memory|ALLOC_FAILED|bad_alloc")
NUMPY_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")  # numpy.save on a full disk: its error has no number


class InputError(Exception):
    """Something the user gave cannot be used. The message is one line: what, where, and what to do."""


def run_command(main: Callable[[], None]) -> None:
    """Calls a command's `main`; bad input, a full disk and want of memory end it with one line and exit status 2."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that half-written things are removed
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal's encoding lacks
    try:
        main()
        if sys.stdout:  # it may be closed
            sys.stdout.flush()  # here, where a full disk or a reader that is gone is still noticed
    except InputError as error:
        sys.exit(_fail(str(error)))
    except BrokenPipeError:  # `| head` has read enough
        _drop_output()
        sys.exit(141)
    except OSError as error:
        if error.errno in NO_ACCESS:
            sys.exit(_fail(f"{error.filename}: {error.strerror}; give another path, or allow access to it"))
        if error.errno in NO_PATH:
            sys.exit(_fail(f"{error.filename}: {error.strerror}; give another name"))
        if error.errno == errno.ENOMEM:
            sys.exit(_fail(_out_of_memory()))
        if error.errno not in NO_SPACE and not NUMPY_SHORT_WRITE.match(str(error)):
            raise
        sys.exit(
            _fail(
                f"no space left while writing{f' {error.filename}' if error.filename else ''}; "
                "nothing half-written was left behind: free some space and run the command again"
            )
        )
    except MemoryError:
        sys.exit(_fail(_out_of_memory()))
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError" and not TORCH_OUT_OF_MEMORY.search(str(error)):  # no import: it takes seconds
            raise
        sys.exit(_fail(_out_of_memory()))
    except KeyboardInterrupt:
        tqdm.write("interrupted", file=sys.stderr)
        sys.exit(130)


def _out_of_memory() -> str:
    return "out of memory; use a smaller extract, a coarser --resolution or --density, fewer places or a smaller batch"


def _fail(message: str) -> int:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)  # one line, whatever names hold
    tqdm.write(f"error: {shown}", file=sys.stderr)  # on a line of its own, also beside a progress bar
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        _drop_output()
    return 2


def _drop_output() -> None:
    """Sends the rest of standard output nowhere: Python flushes it on exit, and would fail again with another exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
