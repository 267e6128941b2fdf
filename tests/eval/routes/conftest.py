"""Small graphs, and the command of routes."""

import sys

import numpy as np
import pytest

from eval.routes import __main__ as command
from eval.routes.graph import RouteGraph
from utils.errors import run_command


@pytest.fixture
def tangle() -> RouteGraph:
    """60 places: one-way edges, degrees 0 to 4, dead ends, isolated places; neighbours in no order."""
    rng = np.random.default_rng(5)
    rows = []
    for place in range(60):
        others = np.setdiff1d(np.arange(58), [place])
        rows.append(rng.permutation(others)[: rng.integers(0, 5)] if place < 58 else [])
    return RouteGraph.from_neighbors(rows, "tangle")


@pytest.fixture
def call(capsys, monkeypatch):
    """Runs `python -m eval.routes`; returns its exit status and what it printed to stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["routes", *map(str, arguments)])
        try:
            run_command(command.main)
            status = 0
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def refusal(call):
    """The message of a refused call: one line, status 2, nothing else printed."""

    def refusal(*arguments):
        status, out, err = call(*arguments)
        assert (status, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1, (status, out, err)
        return err.removeprefix("error: ").strip()

    return refusal
