"""A folder takes the place of another in one step."""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import InputError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # <fcntl.h>, <linux/fs.h>
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)  # of a kernel or a file system without the exchange


def put_in_place(new: Path, path: Path, aside: Path) -> None:
    """Renames `new` to `path`; a folder that lies there becomes `new` instead.

    One of the two is always there, except on file systems that cannot exchange two names (e.g. NFS): there the old folder is called
    `aside` for a moment, between two renamings.
    """
    if not path.exists():
        os.rename(new, path)
        return
    try:
        _exchange(new, path)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        os.rename(path, aside)
        os.rename(new, path)
        os.rename(aside, new)


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Checks that a folder is still the same at the end of the block, so that files of two folders never mix.

    Raises:
        InputError: another has taken its place meanwhile.
    """
    before = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # open, so that its inode number is not given to another
    try:
        yield
        if not os.path.isdir(folder) or not os.path.samestat(os.fstat(before), os.stat(folder)):
            raise InputError(f"{folder}: was replaced while it was read; run the command again")
    finally:
        os.close(before)


def _exchange(a: Path, b: Path) -> None:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # glibc has it since 2.28
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(b))
