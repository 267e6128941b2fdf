"""Names of areas, cities, runs and places: each names one file or folder, and never leads to another."""

from collections.abc import Iterable
from pathlib import Path

from utils.errors import InputError

MOST_BYTES = 240  # a file system takes 255 in UTF-8; what is added to a name (.jpg, -2, _set.csv) needs room
NOT_A_NAME = "a name is printable, without `/`, does not start with a dot or a dash, and is not longer than a file's name may be"


def is_name(text: str, may_start_with_dash: bool = False) -> bool:
    """Whether a text names one file or folder, also on a command line.

    Args:
        may_start_with_dash: for ids of places, which no command takes as an argument.
    """
    if not isinstance(text, str) or not text or not text.isprintable() or "/" in text or text != text.strip():
        return False  # printable: no line breaks, NUL, or bytes that are no UTF-8
    return text[0] != "." and (may_start_with_dash or text[0] != "-") and len(text.encode()) <= MOST_BYTES


def is_area(text: str) -> bool:
    """Whether a text names an area's folder within a city's: there `map` is the city's map."""
    return is_name(text) and text != "map"


def is_area_of_city(text: str) -> bool:
    """Whether a text is `<city>/<area>`."""
    city, slash, area = text.partition("/") if isinstance(text, str) else ("", "", "")
    return bool(slash) and is_name(city) and is_area(area)


def check_folder_names(path: Path, what: str, names: Iterable[str]) -> None:
    """Refuses names that cannot name a file or folder.

    Raises:
        InputError: such a name, of `what`, in `path`.
    """
    bad = [name for name in names if not is_name(name, may_start_with_dash=what == "id")]
    if bad:
        raise InputError(f"{path}: {what} {bad[0][:80]!r} cannot name a file: {NOT_A_NAME}; rename it")
