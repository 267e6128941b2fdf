"""The small published dataset, and the command line in this process."""

import shutil
import sys
from pathlib import Path

import pytest

from data.prepare import main
from tests.data.sources.streetlearn.published import write_dataset


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    """The dataset of published.py; not to be changed."""
    return write_dataset(tmp_path_factory.mktemp("published") / "root")


@pytest.fixture
def root(pristine, tmp_path) -> Path:
    """A copy of the dataset, to be damaged."""
    return Path(shutil.copytree(pristine, tmp_path / "root"))


@pytest.fixture
def prepare(monkeypatch):
    """Calls `python -m data.prepare` in this process."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["data.prepare", *map(str, arguments)])
        main()

    return call
