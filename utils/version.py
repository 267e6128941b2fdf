"""Which version of this code runs."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "0.12.0"  # of the project: the one place that states it
PACKAGES = ("config", "data", "eval", "models", "training", "utils")


@cache
def code_version() -> dict[str, str | None]:
    """The git commit, with `-dirty` if files were changed since, or None if this is no git repository; and a SHA-256 of the source files,
    which tells versions apart without git."""
    commit = None
    if (ROOT / ".git").exists():  # not a repository of a folder above
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        try:
            commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30).stdout.strip() or None
        except (OSError, subprocess.TimeoutExpired):  # no git here
            pass
    digest = hashlib.sha256()
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT).as_posix()} {path.stat().st_size}\n".encode() + path.read_bytes())
    return {"commit": commit, "sources_sha256": digest.hexdigest()}
