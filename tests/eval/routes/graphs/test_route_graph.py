"""Graphs of places: from neighbours, and from CSV."""

import numpy as np
import pytest

from eval.routes.graphs.route_graph import RouteGraph
from utils.errors import InputError


def rows(graph):
    return [graph.neighbors(i).tolist() for i in range(len(graph))]


def test_neighbours_keep_their_order():
    graph = RouteGraph.from_neighbors([[3, 2], [], [[1], [4], [2]], [1]], "x", first=1)
    assert rows(graph) == [[2, 1], [], [0, 3, 1], [0]]
    assert graph.start.dtype == graph.neighbor.dtype == np.int32 and graph.origin.tolist() == [0, 0, 2, 2, 2, 3]
    assert graph.has_edge([0, 0, 1, 3, 2], [2, 3, 0, 0, 3]).tolist() == [True, False, False, True, True]


@pytest.mark.parametrize(
    ("neighbors", "first", "message"),
    [
        ([[1], [0, 2]], 0, "x: place 1 has neighbour 2; with 2 places they must be whole numbers from 0 to 1"),
        ([[1], [0]], 1, "x: place 2 has neighbour 0; with 2 places they must be whole numbers from 1 to 2"),
        ([[2], [3]], 1, "x: place 2 has neighbour 3"),
        ([[1e12], [0]], 0, "has neighbour 1e\\+12"),
        ([[0.5], [0]], 0, "has neighbour 0.5"),
        ([[np.nan], [0]], 0, "has neighbour nan"),
        ([["a"], [0]], 0, "neighbours of place 0 are no numbers"),
        ([[0], [0]], 0, "place 0 is its own neighbour"),
        ([[1], [0, 0]], 0, "place 1 has neighbour 0 twice"),
    ],
)
def test_neighbours_that_cannot_be(neighbors, first, message):
    with pytest.raises(InputError, match=message):
        RouteGraph.from_neighbors(neighbors, "x", first)


def test_csv(tmp_path, tangle):
    tangle.to_csv(tmp_path / "edges.csv")
    again = RouteGraph.from_csv(tmp_path / "edges.csv", 60)
    assert rows(again) == rows(tangle)
    (tmp_path / "edges.csv").write_text("to, from, metres\n2,0,9\n0,2,9\n1,0,9\n")
    assert rows(RouteGraph.from_csv(tmp_path / "edges.csv", 4)) == [[2, 1], [], [0], []]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from,to\n0,1\n1,60\n", "line 3: to is '60'; it must be a whole number from 0 to 59"),
        ("from,to\n-1,1\n", "line 2: from is '-1'"),
        ("from,to\n0,x\n", "to is 'x'"),
        ("from,to\n0,1.5\n", "to is '1.5'"),
        ("0,1\n1,2\n", "column 'from' is missing"),
        ("from,to\n0,1.0\n", "line 2: to is '1.0'"),
        ("from,to\n0,1,2\n1,2,0\n", "line 2 has 3 cells, line 1 has 2"),
        ("from,to\n0,True\n", "to is 'True'"),
        ("", "empty; expected a table of edges"),
    ],
)
def test_csv_that_is_none(tmp_path, text, message):
    (tmp_path / "edges.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        RouteGraph.from_csv(tmp_path / "edges.csv", 60)
    with pytest.raises(InputError, match="no such file"):
        RouteGraph.from_csv(tmp_path / "none.csv", 60)
