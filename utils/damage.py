"""Damaged files of a dataset as one clear line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

from utils.errors import InputError


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what a missing, truncated or wrong file raises while it is read into an InputError that names it."""
    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: missing or damaged ({' '.join(str(error).split())}); build it again") from None
