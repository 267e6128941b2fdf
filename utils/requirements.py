"""Tells whether the Python that runs this has what a requirements file pins: exit status 0 or 1.

    python utils/requirements.py [FILE] [--verbose]

Standard library only and plain syntax: it runs before anything is installed, on any Python from 3.8 on.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib import metadata
from pathlib import Path

# The same library under another distribution name, as CUDA builds and conda register it.
ALTERNATIVES = {
    "faiss-cpu": ("faiss-gpu", "faiss-gpu-cu12", "faiss"),
    "opencv-python-headless": ("opencv-python", "opencv"),
}


def read_pins(path: Path) -> dict[str, str]:
    """The `name==version` lines of a requirements file, as {name: version}."""
    pins = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        requirement = line.split("#")[0].strip()
        if not requirement:
            continue
        match = re.fullmatch(r"([\w.-]+)==([\w.+-]+)", requirement)
        if match is None:
            raise ValueError(f"{path}:{number}: expected name==version, got {requirement!r}")
        pins[match[1]] = match[2]
    return pins


def release(version: str) -> tuple[int, ...]:
    """The release number alone: "2.13.0+cpu", "2.13.0a0" and "2.13" are all (2, 13)."""
    numbers = re.match(r"[0-9.]*", version)[0].strip(".")
    parts = [int(part) for part in numbers.split(".") if part]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def installed_versions(name: str) -> dict[str, str]:
    """Versions of the distribution and its alternatives that are installed, as {distribution: version}."""
    versions = {}
    for candidate in (name, *ALTERNATIVES.get(name, ())):
        try:
            # A half-removed distribution has a folder but no version.
            versions[candidate] = metadata.version(candidate) or "0"
        except metadata.PackageNotFoundError:
            continue
    return versions


def unsatisfied(pins: dict[str, str]) -> list[str]:
    """One line for each pin that is not installed, or only in an older version."""
    lines = []
    for name, pin in pins.items():
        versions = installed_versions(name)
        if not any(release(version) >= release(pin) for version in versions.values()):
            found = ", ".join(f"{candidate} {version}" for candidate, version in versions.items()) or "not installed"
            lines.append(f"{name}=={pin}: {found}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Does this Python have what a requirements file pins? Exit status 0 or 1."
    )
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("file", nargs="?", type=Path, default=root / "requirements.txt", metavar="FILE")
    parser.add_argument(
        "--verbose", action="store_true", help="print one line for each package that is missing or too old"
    )
    arguments = parser.parse_args()
    try:
        lines = unsatisfied(read_pins(arguments.file))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    if arguments.verbose and lines:
        print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
