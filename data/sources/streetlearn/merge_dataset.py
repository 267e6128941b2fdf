"""Adds files to a folder: all of them, or none."""

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from utils.atomic import beside, make_folder, partials, sync, sync_all
from utils.errors import InputError
from utils.lock import locked
from utils.outputs import check_place


@contextmanager
def merged_into(root: Path, last: str, writes: tuple[str, ...]) -> Iterator[Path]:
    """Yields an empty temporary folder. At the end its files move to `root`; on failure they are removed.

    Args:
        root: made where it does not exist.
        last: files under `root/<last>` move after all others: if they are there, so are the others.
        writes: patterns of the files' paths. Temporary folders that killed calls left are removed if they hold nothing else.

    Raises:
        InputError: another file lies where one should go (one with the same content stays); or another process is writing to `root`.
    """
    check_place(root / last, str(root))
    made = _missing(root)
    temporary = beside(root / "export")
    try:
        make_folder(root)
        with locked(beside(root / "export", "lock"), f"{root}: another process is exporting to it; wait until it is done") as alone:
            for left in partials(root / "export") if alone else ():
                if left.is_dir() and not left.is_symlink() and _holds_only(left, writes):
                    shutil.rmtree(left, ignore_errors=True)
            temporary.mkdir()
            yield temporary
            new = []
            for file in sorted(path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file()):
                if not os.path.lexists(root / file):
                    new.append(file)
                elif not (root / file).exists() or not filecmp.cmp(temporary / file, root / file, shallow=False):
                    raise InputError(f"{root / file}: another file lies here, perhaps from an earlier export; use a new --root")
            sync_all(temporary)
            for folder in dict.fromkeys(file.parent for file in new):  # all of them first: where one cannot be made, nothing has moved
                made = _missing(root / folder) + made
                make_folder(root / folder)
            try:
                for group in ([file for file in new if file.parts[0] != last], [file for file in new if file.parts[0] == last]):
                    for file in group:
                        os.replace(temporary / file, root / file)
                    for folder in {file.parent for file in group}:
                        sync(root / folder)  # the last are on disk only if the others are
            except BaseException:
                for file in reversed(new):
                    if not (temporary / file).exists():  # it has moved
                        (root / file).unlink(missing_ok=True)
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in made:
            with suppress(OSError):  # it was not made, or holds something
                folder.rmdir()


def _missing(folder: Path) -> list[Path]:
    """A folder and those above it, as far as they do not exist; the innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _holds_only(folder: Path, writes: tuple[str, ...]) -> bool:
    def is_written(path: Path) -> bool:
        parts = path.relative_to(folder).parts
        return any(len(parts) == len(p := pattern.split("/")) and all(map(fnmatchcase, parts, p)) for pattern in writes)

    return all(is_written(path) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
