"""NumPy files of unknown origin: headers are checked before memory is used, and nothing is ever unpickled."""

import hashlib
import math
import os
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

MOST_UNPACKED = 1 << 30  # bytes that one compressed file may become; arrays without compression are no larger than their file


def map_array(path: Path) -> np.ndarray:
    """A `.npy` file as a memory map.

    Raises:
        OSError: there is no such file.
        ValueError: it is no array of numbers or text, or not as long as its header says.
    """
    with open(path, "rb") as file:
        _check_header(file, os.fstat(file.fileno()).st_size)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of the named arrays that an `.npz` file holds.

    Raises:
        OSError: there is no such file.
        ValueError: it is no such file, damaged, encrypted, holds an array twice or something else than an array under one of the names, or
            unpacks to more than MOST_UNPACKED bytes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, set(names), os.path.getsize(path))
            return {name: _read_member(archive, name, member) for name, member in members.items()}
    except (ValueError, OSError):
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds
        raise ValueError(_line(error)) from None


def sha256_of(array: np.ndarray) -> str:
    """The SHA-256 of an array's bytes in C order, in hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def check_array(array: np.ndarray, scalar: type, shape: tuple[int | None, ...]) -> None:
    """Refuses an array of another type or shape.

    Args:
        scalar: a type, or a kind of types, e.g. np.uint8 or np.integer.
        shape: None for any length.

    Raises:
        ValueError: it is.
    """
    same = len(shape) == array.ndim and all(n in (None, size) for n, size in zip(shape, array.shape, strict=True))
    if not (same and np.issubdtype(array.dtype, scalar) and array.dtype.isnative):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"it is {array.dtype}{array.shape}, expected {scalar.__name__}({wanted})")


def check_starts(start: np.ndarray, end: int, least: int = 0) -> None:
    """Checks the index of each group's first element: (groups + 1,) integers from 0 to `end`, with at least `least` elements to a group.

    Raises:
        ValueError: it is not.
    """
    check_array(start, np.integer, (None,))
    if not len(start) or start[0] != 0 or start[-1] != end or (np.diff(start.astype(np.int64)) < least).any():
        raise ValueError(f"it does not ascend from 0 to {end}" + (f" in steps of {least} or more" if least else ""))


def _members(archive: zipfile.ZipFile, names: set[str], file_bytes: int) -> dict[str, zipfile.ZipInfo]:
    found = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name not in names:
            continue
        if name in found:
            raise ValueError(f"it holds {name!r} twice")
        if member.flag_bits & 1:
            raise ValueError(f"{name!r} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name!r} is compressed by a method that NumPy does not write")
        if member.compress_type == zipfile.ZIP_STORED and not member.file_size == member.compress_size <= file_bytes:
            raise ValueError(f"{name!r} is said to be longer than the file")
        found[name] = member
    unpacked = sum(m.file_size for m in found.values() if m.compress_type == zipfile.ZIP_DEFLATED)
    if unpacked > MOST_UNPACKED:
        raise ValueError(
            f"its compressed arrays unpack to {unpacked / 2**30:.1f} GiB, more than {MOST_UNPACKED / 2**30:g}; "
            "save them with numpy.savez, which does not compress"
        )
    return found


def _read_member(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> np.ndarray:
    try:
        with archive.open(member) as file:
            _check_header(file, member.file_size)
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:
        raise ValueError(f"{name!r}: {_line(error)}") from None


def _check_header(file: IO[bytes], file_bytes: int) -> None:
    """Refuses an array that is not plain or not exactly as long as the file (ValueError)."""
    try:
        version = np.lib.format.read_magic(file)
        if version > (2, 0):
            raise ValueError(f"it is in the .npy format {version[0]}.{version[1]}, which is for structured arrays")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, _, dtype = read(file)
    except Exception as error:  # a header is a Python literal: damage makes it raise almost anything
        raise ValueError(f"not an array ({_line(error)})") from None
    if dtype.hasobject:
        raise ValueError("it holds pickled Python objects, which are not read; save numbers or text")
    if dtype.kind not in "biufcUS":
        raise ValueError(f"it holds {dtype}, neither numbers nor text")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its shape is {shape}")
    announced, there = math.prod(shape) * dtype.itemsize, file_bytes - file.tell()
    if announced != there:
        raise ValueError(f"its header announces {announced:,} bytes of {dtype}{shape}, but {there:,} follow")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
