"""A folder takes the place of another in one step."""

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # <fcntl.h>, <linux/fs.h>
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)  # of a kernel or a file system without the exchange


def put_in_place(new: Path, path: Path, aside: Path) -> None:
    """Renames `new` to `path`; a folder that lies there becomes `new` instead.

    There is no moment with neither, but on file systems that cannot exchange two names (e.g. NFS): there the old folder is called `aside`
    between two renamings.
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


def _exchange(a: Path, b: Path) -> None:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # glibc has it since 2.28
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(b))
