"""Checks where results go, before the work: files and folders of a user are never replaced."""

import dataclasses
import fnmatch
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utils.errors import InputError

# First bytes of the files that commands write, by suffix. Pictures, JSON and tables are checked further (below and in `check_files`).
BEGINNINGS = {".png": (b"\x89PNG",), ".gif": (b"GIF8",), ".pdf": (b"%PDF",), ".svg": (b"<",), ".html": (b"<",),
              ".npz": (b"PK",), ".osm": (b"<",)}  # fmt: skip
PICTURES = (".png", ".gif", ".pdf", ".svg", ".html")
SOFTWARE = "geolocalization by map matching"  # written into each picture, to tell it from a user's
SOFTWARE_WITHIN = 4096  # bytes from the start, or from the end, of a picture in which SOFTWARE stands
LONGEST_LINE = 1 << 24  # bytes of a table's first line
NAME_BYTES, PATH_BYTES = 255, 4000  # of a name; of a path, which may have 4,095 bytes with the names of the files in it


@dataclass(frozen=True)
class FolderKind:
    """What a command writes into a folder. This tells the command's folders from those of users, which are never replaced.

    Attributes:
        command: that makes such folders, e.g. `data.prepare area`.
        marker: the JSON file in it whose `made_by` names the command.
        files: names, or patterns of names, of all other files in it. A finished folder holds no folders.
        was_ours: whether a marker without `made_by` was written by an earlier version of the command.
        scratch: name of a folder for temporary files, removed before the end.
    """

    command: str
    marker: str
    files: tuple[str, ...]
    was_ours: Callable[[dict], bool]
    scratch: str = ""

    def by(self, command: str, was_ours: Callable[[dict], bool]) -> "FolderKind":
        """Such a folder, made by another command."""
        return dataclasses.replace(self, command=command, was_ours=was_ours)

    def signed(self, info: dict) -> dict:
        """What the marker holds, with the command's name."""
        return info | {"made_by": self.command}

    def strange(self, folder: Path) -> list[str]:
        """Names in a folder that the command does not write."""
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) or not self._writes(e.name))

    def objection(self, folder: Path) -> str | None:
        """Why a folder must not be replaced by one of this kind; None if it is empty or the command made it."""
        if not any(folder.iterdir()):
            return None
        strange = self.strange(folder)
        if strange:
            first = ", ".join(map(repr, strange[:3])) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
            return f"holds what `python -m {self.command}` does not write ({first})"
        try:
            info = json.loads((folder / self.marker).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            info = None
        if not isinstance(info, dict):
            return f"holds no {self.marker} to show that `python -m {self.command}` made it"
        maker = str(info.get("made_by", ""))
        if maker:
            return None if maker == self.command else f"was made by `python -m {maker[:60]}`, not `python -m {self.command}`"
        return None if self.was_ours(info) else f"was not made by `python -m {self.command}`, as its {self.marker} shows"

    def _writes(self, name: str) -> bool:
        return name == self.marker or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.files)


def check_folder(path: Path, kind: FolderKind | None) -> None:
    """Refuses, before the work, a folder that cannot be written or must not be replaced.

    Args:
        kind: what will be written; None: a folder that must not exist yet, or be empty.

    Raises:
        InputError: says which and why.
    """
    real = check_place(path, str(path))
    if not os.path.lexists(real):
        return
    if not real.is_dir():
        raise InputError(f"{path}: is a file where a folder is to be written; give another name")
    if os.path.ismount(real):
        raise InputError(f"{path}: a file system is mounted there, which cannot be replaced as a whole; name a folder in it")
    if not os.access(real, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(f"{path}: is protected against reading or writing, and was left as it is; give another name")
    objection = ("is there already" if any(real.iterdir()) else None) if kind is None else kind.objection(real)
    if objection:
        raise InputError(f"{path}: {objection}; it was left as it is: move it away, or give another name")


def check_files(outputs: Mapping[str, Path | None], inputs: Iterable[Path | str | None] = (),
                tables: Mapping[str, str] | None = None, pictures: Iterable[str] = ()) -> None:  # fmt: skip
    """Refuses, before the work, output files that cannot be written, that the command also reads, or that hold something else.

    Args:
        outputs: by the option that names them; None where it was not given.
        inputs: files that the command reads, or writes itself.
        tables: of options that write a table, the regular expression of its first line.
        pictures: options that write a PNG, whatever name they are given.

    Raises:
        InputError: names the option, the file and the reason.
    """
    taken = {os.path.realpath(path): "is read or written by this command, too" for path in inputs if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        real = check_place(path, f"{option} {path}")
        reason = taken.get(str(real))
        if real.is_dir():
            reason = "is a folder"
        elif real.exists() and not real.is_file():
            reason = "is no regular file"
        elif real.exists() and not os.access(real, os.W_OK):
            reason = "is protected against writing, and was left as it is"
        elif (
            real.exists()
            and not reason
            and not _may_be_ours(
                real, ".json" if option == "--json" else ".png" if option in pictures else real.suffix.lower(), (tables or {}).get(option)
            )
        ):
            reason = "is there and holds something else than this command writes; it was left as it is"
        if reason:
            raise InputError(f"{option} {path}: {reason}; give the name of another file")
        taken[str(real)] = f"is written by {option}, too"


def _may_be_ours(path: Path, suffix: str, first_line: str | None) -> bool:
    """Whether a file is empty, or looks like what a command writes under that suffix."""
    with open(path, "rb") as file:
        start = file.readline(LONGEST_LINE) if first_line else file.read(SOFTWARE_WITHIN)
        if not start:
            return True
        if first_line:
            return re.fullmatch(first_line.encode(), start.rstrip(b"\r\n")) is not None
        if suffix == ".json":
            return _is_own_json(start + file.read(LONGEST_LINE))
        return start.lstrip().startswith(BEGINNINGS.get(suffix, ())) and (suffix not in PICTURES or _is_own_picture(file, start))


def _is_own_json(text: bytes) -> bool:
    """Whether a text holds results as `--json` writes them: metrics by area, or accuracies of routes. Records of runs are not."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or "made_by" in found:
        return False
    return "top1_accuracy" in found or all(isinstance(metrics, dict) and "recall@1" in metrics for metrics in found.values())


def _is_own_picture(file: BinaryIO, start: bytes) -> bool:
    """Whether an open picture carries SOFTWARE; a PDF does so at its end."""
    file.seek(-min(SOFTWARE_WITHIN, os.fstat(file.fileno()).st_size), os.SEEK_END)
    return SOFTWARE.encode() in start or SOFTWARE.encode() in file.read()


def check_place(path: Path, shown: str) -> Path:
    """The path without symbolic links. Raises InputError, which names `shown`, if nothing can be written there."""
    try:
        real = Path(os.path.realpath(path))
        parent = next((folder for folder in real.parents if os.path.lexists(folder)), real)
    except (OSError, ValueError) as error:  # e.g. too long altogether, or with NUL
        raise InputError(f"{shown}: cannot be written ({getattr(error, 'strerror', None) or error}); give another name") from None
    if any(len(os.fsencode(part)) > NAME_BYTES for part in real.parts):
        raise InputError(f"{shown}: a name longer than {NAME_BYTES} bytes; give a shorter one")
    if len(os.fsencode(real)) > PATH_BYTES:
        raise InputError(f"{shown[:200]}…: a path longer than {PATH_BYTES:,} bytes; give a shorter one")
    if not parent.is_dir():
        raise InputError(f"{shown}: {parent} is not a folder; give another name")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{shown}: nothing can be written to {parent}; give a folder that can be written")
    return real
