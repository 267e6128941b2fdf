"""Damaged files of a dataset as one clear line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

from utils.errors import InputError

MOST_JSON = 64 << 20  # bytes; an area lists every place that was left out


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what a missing, truncated or wrong file raises while it is read into an InputError that names it."""
    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: missing or damaged ({' '.join(str(error).split())}); build it again") from None


def read_json(path: Path) -> dict:
    """A mapping from a JSON file of a dataset.

    Raises:
        InputError: the file is missing or damaged, is no mapping, or holds numbers that are not finite or text that is not Unicode.
    """
    with readable(path):
        if path.stat().st_size > MOST_JSON:
            raise ValueError(f"of {path.stat().st_size:,} bytes, more than {MOST_JSON:,}")
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
            json.dumps(info, ensure_ascii=False, allow_nan=False).encode()
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(info, dict):
            raise ValueError(f"a mapping was expected, found {type(info).__name__}")
    return info


def read_info(path: Path, version: int, what: str) -> dict:
    """The JSON that describes a map or an area.

    Args:
        version: the `format` that this code reads.
        what: kind of the folder, e.g. `map`.

    Raises:
        InputError: as `read_json`, or it was written by another version.
    """
    info = read_json(path)
    found = info.get("format")
    if found != version or type(found) is not int:
        newer = type(found) is int and found > version
        remedy = "it is of a newer version of this program: update it, or build it again" if newer else "build it again"
        raise InputError(f"{path}: {what} format {str(found)[:40]}, this version reads {version}; {remedy}")
    return info
