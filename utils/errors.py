"""Bad input: one clear line on the terminal and a non-zero exit, from every command."""

import errno
import signal
import sys
from collections.abc import Callable

from tqdm import tqdm

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(Exception):
    """Something the user gave cannot be used. The message is one line: what, where, and what to do."""


def run_command(main: Callable[[], None]) -> None:
    """Calls a command's `main`; bad input and a full disk end it with one line and exit status 2."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that half-written things are removed
    try:
        main()
    except InputError as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            sys.exit(_fail(f"{error.filename}: {error.strerror}; give a folder that can be written"))
        if error.errno not in NO_SPACE:
            raise
        sys.exit(_fail(f"no space left while writing{f' {error.filename}' if error.filename else ''}; "
                       "nothing half-written was left behind: free some space and run the command again"))
    except MemoryError:
        sys.exit(_fail("out of memory; use a smaller extract, a coarser --resolution or --density, fewer places or a smaller batch"))
    except KeyboardInterrupt:
        tqdm.write("interrupted", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> int:
    tqdm.write(f"error: {message}", file=sys.stderr)  # on a line of its own, also beside a progress bar
    return 2
