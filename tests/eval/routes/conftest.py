"""Small graphs, and the command of routes."""

import numpy as np
import pytest

from eval.routes import __main__ as command
from eval.routes.graphs.route_graph import RouteGraph


@pytest.fixture
def tangle() -> RouteGraph:
    """60 places with 0 to 4 neighbours in no order: one-way edges, dead ends, isolated places."""
    rng = np.random.default_rng(5)
    rows = []
    for place in range(60):
        others = np.setdiff1d(np.arange(58), [place])
        rows.append(rng.permutation(others)[: rng.integers(0, 5)] if place < 58 else [])
    return RouteGraph.from_neighbors(rows, "tangle")


@pytest.fixture
def main():
    """The command that `call` runs."""
    return command.main
