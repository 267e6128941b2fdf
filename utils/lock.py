"""Locks between processes. A lock ends with the process that holds it, even if that is killed."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import InputError

PATIENCE_S = 2.0  # the workers of a killed process hold its locks until they have ended, too
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of a file system, e.g. Lustre mounted without them


@contextmanager
def locked(path: Path, busy: str) -> Iterator[bool]:
    """Holds a lock during the block, on an empty file that is removed at the end. A killed process leaves the file, but not the lock.

    Args:
        path: the file.
        busy: the message if another process holds the lock.

    Yields:
        False where the file system has no locks: then other processes are not kept out.

    Raises:
        InputError: `busy`; or the file is not a lock file.
    """
    file, held = _open_locked(Path(path), busy)
    try:
        yield held
    finally:
        if held:  # while the lock is still held: see `is_at` in `_open_locked`
            Path(path).unlink(missing_ok=True)
        os.close(file)


def _open_locked(path: Path, busy: str) -> tuple[int, bool]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            if os.fstat(file).st_size:
                raise InputError(f"{path}: is not a lock file, as it holds something; move it away")
            held = try_lock(file)
            if held is False and time.monotonic() > deadline:
                raise InputError(busy)
            if held is None or held and is_at(file, path):  # else its last owner removed it between the opening and the locking
                return file, held is True
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        time.sleep(0.02)


def try_lock(file: int) -> bool | None:
    """Locks an open file: True if that worked, False if another process holds it, None where the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


def is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
