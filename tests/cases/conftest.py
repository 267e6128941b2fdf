"""The reduced cases of ../shared/cases: where they lie, and how their commands are run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT.parent / "shared/cases"


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of the cases. Skips where it is missing, but fails in continuous integration."""
    if not CASES.is_dir():
        message = "no cases: ../shared/cases does not exist"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    return CASES


@pytest.fixture
def run():
    """Calls a command of the project as a user would, in one process and one thread: run(*arguments, cwd) → CompletedProcess."""

    def call(*arguments, cwd: Path = ROOT, timeout_s: float = 300) -> subprocess.CompletedProcess:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, env=environment, text=True, capture_output=True,
                              timeout=timeout_s)  # fmt: skip

    return call


@pytest.fixture
def run_case(cases, run, tmp_path):
    """Runs the commands of a case (its command.txt) and returns their results; OUT is tmp_path / "OUT", files are written to tmp_path."""

    def call(name: str) -> list[subprocess.CompletedProcess]:
        folder, results = cases / name, []
        for path in folder.iterdir():
            (tmp_path / path.name).symlink_to(path)
        for line in (folder / "command.txt").read_text().splitlines():
            python = re.fullmatch(r"python ((?:-m|-c) .+)", line.split("      #")[0].strip())
            if python:
                results.append(run(*shlex.split(python[1]), cwd=tmp_path))
        return results

    return call


@pytest.fixture
def refused():
    """Checks that a command ended with one line and exit status 2; returns the line."""

    def check(result: subprocess.CompletedProcess) -> str:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        assert result.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), (result.returncode, result.stderr[-2000:])
        return lines[0]

    return check
