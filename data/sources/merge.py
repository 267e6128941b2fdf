"""Files that join a folder all together, or not at all."""

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.errors import InputError


@contextmanager
def merged_into(root: Path, last: str) -> Iterator[Path]:
    """Yields an empty temporary folder; at the end its files take their places under `root`, or are removed on failure.

    Args:
        root: made where it does not exist.
        last: files under `root/<last>` come after all others, so that whoever sees them sees the others, too.

    Raises:
        InputError: another file lies where one should go. One with the same content stays.
    """
    root = Path(root)
    created = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    temporary = root / f".partial-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        files = sorted(path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file())
        for file in files:
            if (root / file).exists() and not filecmp.cmp(temporary / file, root / file, shallow=False):
                raise InputError(f"{root / file}: another file lies here, perhaps from an earlier export; use a new --root")
        for file in sorted(files, key=lambda file: file.parts[0] == last):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(temporary / file, root / file)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if created:
            with suppress(OSError):  # not empty: it was written
                root.rmdir()
