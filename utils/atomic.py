"""Nothing half-written, even after a power cut: files and folders appear under their name only when they are complete and on disk."""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from utils.errors import InputError
from utils.exchange import put_in_place
from utils.lock import is_at, locked, try_lock
from utils.outputs import FolderKind, check_folder

LONGEST_STEM = 150  # bytes of a name that the name of its temporary keeps
OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how libraries written in Rust pass on what the operating system said


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renamed to `path` at the end, removed if the block fails.

    A symbolic link stays one: the file that it points to is replaced. The file keeps its permissions.

    Raises:
        InputError: `path` exists and is not a regular file, or is protected against writing.
        OSError: it cannot be written; `filename` is `path`.
    """
    shown, path = Path(path), Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise InputError(f"{shown}: is no regular file; give the name of another file")
    if path.exists() and not os.access(path, os.W_OK):  # a renaming would not ask
        raise InputError(f"{shown}: is protected against writing, and was left as it is; give the name of another file")
    with _naming(shown, path):
        make_folder(path.parent)
        _clear_files(path)
        temporary, file = _locked_temporary(path)
        try:
            yield temporary
            if path.exists():
                shutil.copymode(path, temporary)
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(file)


@contextmanager
def atomic_folder(path: Path, kind: FolderKind | None = None) -> Iterator[Path]:
    """Yields an empty temporary folder beside `path`. At the end it takes the place of `path` in one step. On failure it is removed, and so
    are the folders above it that were made for it.

    A symbolic link stays one: the folder that it points to is replaced.

    Args:
        kind: what is written. Only an empty folder or one of this kind is replaced; None: only an empty one.

    Raises:
        InputError: the folder must not be replaced, which is checked before and after the work; or another process is writing it.
        OSError: it cannot be written; `filename` is `path`, or the file of that name in it.
        ValueError: the block wrote a file that `kind` does not name.
    """
    shown, path = Path(path), Path(os.path.realpath(path))
    above = [folder for folder in path.parents if not folder.exists()]
    check_folder(shown, kind)
    lock, aside, busy = beside(path, "lock"), beside(path, "replaced"), f"{shown}: another process is writing it; wait until it is done"
    try:
        make_folder(path.parent)
        with _naming(shown, path), locked(lock, busy) as alone:
            if alone and kind:
                _clear_folders(path, aside, kind)
            with _temporary_folder(path) as temporary:
                yield temporary
                if kind and (strange := kind.strange(temporary)):
                    raise ValueError(f"{shown}: {strange[0]} is not among the files of {kind.command}")
                in_it = path.exists() and os.path.samefile(path, os.curdir)
                if path.exists():
                    shutil.copymode(path, temporary)
                sync_all(temporary)  # may take a minute: the last check comes after it
                check_folder(shown, kind)
                put_in_place(temporary, path, aside)
                if in_it:
                    os.chdir(path)  # so that relative paths keep their meaning
                sync(path.parent)
    finally:
        for folder in above:
            with suppress(OSError):  # it holds something
                folder.rmdir()


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, unless they exist; they are on disk when this returns."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in made:
        sync(folder.parent)


def append_line(path: Path, line: str) -> None:
    """Adds a line to a text file; it is on disk when this returns."""
    path = Path(path)
    new = not path.exists()
    with _naming(path, path), open(path, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync(path.parent)


def save_array(path: Path, blocks: Iterable[np.ndarray], shape: tuple[int, ...], dtype) -> None:
    """Writes a `.npy` file block by block along its first axis, without holding it in memory.

    Unlike `numpy.save` and memory maps, a full disk shows here as the operating system's own OSError.

    Raises:
        OSError: the disk is full.
        ValueError: the blocks do not add up to the shape.
    """
    dtype, rows = np.dtype(dtype), 0
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        for block in blocks:
            if block.shape[1:] != shape[1:] or block.dtype != dtype:
                raise ValueError(f"{path}: block {block.dtype}{block.shape} does not fit {dtype}{shape}")
            file.write(np.ascontiguousarray(block).data)
            rows += len(block)
    if rows != shape[0]:
        raise ValueError(f"{path}: {rows} rows written, {shape[0]} announced")


def _locked_temporary(path: Path) -> tuple[Path, int]:
    """A new file and its descriptor, locked while this process lives: an unlocked one was left by a process that has ended."""
    while True:
        temporary = beside(path)
        file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        if try_lock(file) is not False and is_at(file, temporary):  # else it was cleared before it was locked
            return temporary, file
        os.close(file)


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    temporary = beside(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # after the exchange it is the old folder


def beside(path: Path, ending: str | None = None) -> Path:
    """The path `.<name>.<ending>` beside a path; without an ending a new one for a temporary."""
    stem = path.name
    while len(stem.encode("utf-8", "surrogateescape")) > LONGEST_STEM:
        stem = stem[:-1]
    return path.with_name(f".{stem}.{f'partial-{secrets.token_hex(4)}' if ending is None else ending}")


def partials(path: Path) -> list[Path]:
    """Temporaries that killed calls left beside a path. Earlier versions named them after their process, which must have ended."""
    prefix = beside(path, "partial-").name
    found = []
    with os.scandir(path.parent) as entries:
        for name in (entry.name for entry in entries if entry.name.startswith(prefix)):
            token = name.removeprefix(prefix)
            if re.fullmatch(r"[0-9a-f]{8}|\d{1,7}", token) and not (token.isdecimal() and os.path.exists(f"/proc/{int(token)}")):
                found.append(path.with_name(name))
    return found


def _clear_files(path: Path) -> None:
    """Removes the temporaries of a file that killed calls left."""
    for left in partials(path):
        with suppress(OSError):  # another user's, or gone by now
            file = os.open(left, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if left.is_file() and try_lock(file) is True:
                    left.unlink()
            finally:
                os.close(file)


def _clear_folders(path: Path, aside: Path, kind: FolderKind) -> None:
    """Cleans up what killed calls left of a folder; only the process that holds the folder's lock may call it."""
    if aside.is_dir() and not path.exists():
        os.rename(aside, path)  # killed between two renamings
    for left in [*partials(path), aside]:
        if left.is_dir() and not left.is_symlink() and set(kind.strange(left)) <= {kind.scratch}:
            shutil.rmtree(left, ignore_errors=True)


def sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot do that with folders
            raise
    finally:
        os.close(file)


def sync_all(folder: Path) -> None:
    """Brings a folder and everything in it to disk."""
    for path, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync(Path(path, name))
        sync(Path(path))


@contextmanager
def _naming(shown: Path, path: Path) -> Iterator[None]:
    """Errors of the operating system name the path that the user gave, not the temporary beside it."""
    try:
        yield
    except OSError as error:
        temporary = re.match(re.escape(str(beside(path, ""))) + r"[^/]*(.*)", os.fsdecode(error.filename or ""), re.DOTALL)
        if not error.filename:  # a failed write does not know what it wrote
            error.filename = str(shown)
        elif temporary:
            error.filename = f"{shown}{temporary[1]}"
        raise
    except InputError:  # its message is complete, even if it quotes such an error
        raise
    except Exception as error:
        number = OS_ERROR.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(shown)) from error
