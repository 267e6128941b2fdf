"""Random routes."""

import numpy as np
import pytest

from eval.routes.graphs.paths import path_tree
from eval.routes.graphs.random_routes import random_routes
from eval.routes.graphs.route_graph import RouteGraph
from utils.errors import InputError


def test_routes_are_unique_simple_paths_and_follow_the_seed(tangle):
    routes = random_routes(tangle, 300, 7, np.random.default_rng(1))
    assert routes.shape == (300, 7) and routes.dtype == np.int32
    assert tangle.has_edge(routes[:, :-1], routes[:, 1:]).all()
    assert all(len(set(route)) == 7 for route in routes.tolist()) and len(set(map(tuple, routes.tolist()))) == 300
    assert (random_routes(tangle, 300, 7, np.random.default_rng(1)) == routes).all()
    assert (random_routes(tangle, 300, 7, np.random.default_rng(2)) != routes).any()
    assert len(np.unique(routes[:, 0])) > 30


@pytest.mark.parametrize("length", [1, 2, 4])
def test_every_last_route_is_found_and_not_one_more(monkeypatch, tangle, length):
    monkeypatch.setattr("eval.routes.graphs.random_routes.PATIENCE", 5)
    level = path_tree(tangle, length).level
    there = int(level[-1] - level[-2])
    assert len(np.unique(random_routes(tangle, there, length, np.random.default_rng(0)), axis=0)) == there
    with pytest.raises(InputError, match=f"{there + 1} routes of {length} places: the graph has {there:,} simple paths of that length"):
        random_routes(tangle, there + 1, length, np.random.default_rng(0))


def test_routes_longer_than_any_path():
    line = RouteGraph.from_neighbors([[1], [2], [], []], "line")
    with pytest.raises(InputError, match="its longest simple path has 3 places"):
        random_routes(line, 1, 4, np.random.default_rng(0))
    with pytest.raises(InputError, match="it has 4 places"):
        random_routes(line, 1, 5, np.random.default_rng(0))
    with pytest.raises(InputError, match="at least 1"):
        random_routes(line, 0, 5, np.random.default_rng(0))


def test_more_paths_than_can_be_listed(monkeypatch):
    """A complete graph of nine places has very many paths of nine; the isolated tenth place makes paths of ten impossible."""
    monkeypatch.setattr("eval.routes.graphs.paths.MAX_PATHS", 1000)
    monkeypatch.setattr("eval.routes.graphs.random_routes.PATIENCE", 20)
    complete = RouteGraph.from_neighbors([[j for j in range(9) if j != i] for i in range(9)] + [[]], "complete")
    assert len(random_routes(complete, 500, 9, np.random.default_rng(0))) == 500
    with pytest.raises(InputError, match="only 0 were found, and the last 20 random walks found no more"):
        random_routes(complete, 5, 10, np.random.default_rng(0))
