"""Files that join a folder all together, or not at all."""

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.atomic import beside, partials, sync_all
from utils.errors import InputError
from utils.lock import locked
from utils.outputs import check_place


@contextmanager
def merged_into(root: Path, last: str) -> Iterator[Path]:
    """Yields an empty temporary folder; at the end its files take their places under `root`, or are removed on failure.

    Args:
        root: made where it does not exist.
        last: files under `root/<last>` come after all others, so that whoever sees them sees the others, too.

    Raises:
        InputError: another file lies where one should go (one with the same content stays); or another process is writing to `root`.
    """
    check_place(root / last, str(root))
    created = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    temporary = beside(root / "export")
    try:
        with locked(beside(root / "export", "lock"), f"{root}: another process is exporting to it; wait until it is done") as alone:
            for left in partials(root / "export") if alone else ():
                shutil.rmtree(left)  # of a process that was killed
            temporary.mkdir()
            yield temporary
            files = sorted(path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file())
            for file in files:
                if (root / file).exists() and not filecmp.cmp(temporary / file, root / file, shallow=False):
                    raise InputError(f"{root / file}: another file lies here, perhaps from an earlier export; use a new --root")
            sync_all(temporary)
            for file in sorted(files, key=lambda file: file.parts[0] == last):
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary / file, root / file)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if created:
            with suppress(OSError):  # not empty: it was written
                root.rmdir()
