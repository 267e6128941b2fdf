"""Checks whether this Python has the packages that a requirements file pins.

Exit status: 0 if it has all; 1 if torch, the large one, is missing; 3 if others are missing; 4 if only packages are missing that few
commands need.

    python utils/requirements.py [FILE] [--verbose | --lacking]

Standard library only and plain syntax: it runs before anything is installed, on any Python from 3.8 on.
"""

from __future__ import annotations

import argparse
import re
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

# The same library under another distribution name, as CUDA builds and conda register it.
ALTERNATIVES = {
    "faiss-cpu": ("faiss-gpu", "faiss-gpu-cu12", "faiss"),
    "opencv-python-headless": ("opencv-python", "opencv"),
}

LARGE = "torch"  # gigabytes with CUDA: an environment that has it is not replaced because a small package is missing
FOR_FEW_THINGS = {"matplotlib": "figures of routes", "faiss-cpu": "stored indexes"}


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
    numbers = re.split(r"[^0-9.]", version, maxsplit=1)[0]
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
    for name in lacking(pins):
        found = ", ".join(f"{candidate} {version}" for candidate, version in installed_versions(name).items()) or "not installed"
        lines.append(f"{name}=={pins[name]}: {found}")
    return lines


def lacking(pins: dict[str, str]) -> list[str]:
    """Names of the pins that are not installed, or only in an older version."""
    return [
        name for name, pin in pins.items()
        if not any(release(version) >= release(pin) for version in installed_versions(name).values())
    ]  # fmt: skip


def installer() -> str:
    """The command that installs packages for this Python; a system's own (PEP 668) gets an environment on top of it."""
    managed = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file() and sys.prefix == sys.base_prefix
    if managed:
        return f"{sys.executable} -m venv --system-site-packages .venv && . .venv/bin/activate && pip install"
    return f"{sys.executable} -m pip install"


def status(pins: dict[str, str], names: list[str]) -> int:
    """The exit status if `names` are missing."""
    if not names:
        return 0
    if LARGE not in pins or LARGE in names:
        return 1
    return 4 if set(names) <= set(FOR_FEW_THINGS) else 3


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Does this Python have what a requirements file pins? Exit status 0: yes; 1: no; 3: torch, but not all others; "
        "4: all that most commands need."
    )
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("file", nargs="?", type=Path, default=root / "requirements.txt", metavar="FILE")
    parser.add_argument("--verbose", action="store_true", help="print one line for each package that is missing or too old")
    parser.add_argument("--lacking", action="store_true", help="print on one line what is lacking, and the command that installs it")
    arguments = parser.parse_args()
    try:
        pins = read_pins(arguments.file)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    names = lacking(pins)
    if arguments.verbose and names:
        print("\n".join(unsatisfied(pins)))
    if arguments.lacking and names:
        wanted = " ".join(f"{name}=={pins[name]}" for name in names)
        print(f"lacks {wanted}; install: {installer()} {wanted}")
    return status(pins, names)


if __name__ == "__main__":
    sys.exit(main())
