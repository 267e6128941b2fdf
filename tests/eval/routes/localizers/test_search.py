"""All localizers: what they refuse, their beliefs, and culling with any costs."""

from dataclasses import replace

import numpy as np
import pytest

from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.localizers.likelihood import LikelihoodSearch
from eval.routes.localizers.localizer import LOCALIZERS, RouteMap, build_localizer
from eval.routes.localizers.search import PathSearch
from utils.errors import InputError


class Given(PathSearch):
    """Costs from a table: query (L, 1) names the row of each step."""

    def __init__(self, route_map, keep_percent, table):
        super().__init__(route_map, keep_percent)
        self.table = table  # rows, E

    def costs(self, query, turns):
        rows = query[:, 0].astype(int)
        return self.table[rows[0], : len(self.map.graph)].copy(), self.table[rows[1:]]


@pytest.mark.parametrize("keep", [100, 60, 10])
@pytest.mark.parametrize("levels", [2, 1000])  # few values: many ties
def test_against_lists_of_paths(tangle, keep, levels):
    """Random costs, some infinite; edges to the same place differ in cost."""
    rng = np.random.default_rng(levels)
    table = rng.integers(0, levels, (9, len(tangle.neighbor))).astype(float)
    table[rng.random(table.shape) < 0.1] = np.inf
    table[:, :60] = np.where(np.isinf(table[:, :60]), 1, table[:, :60])
    search = Given(RouteMap(np.zeros((60, 1)), tangle), keep, table)
    query = rng.integers(0, 9, (6, 5, 1))
    for drive, tails in zip(query, search.locate(query), strict=True):
        paths = sorted(((table[drive[0, 0], i], (i,)) for i in range(60)), key=lambda p: p[0])
        for t in range(5):
            if t:
                paths = [(s + table[drive[t, 0], e], (*p, int(tangle.neighbor[e]))) for s, p in paths
                         for e in range(tangle.start[p[-1]], tangle.start[p[-1] + 1]) if tangle.neighbor[e] not in p]  # fmt: skip
                paths = sorted((p for p in paths if p[0] < np.inf), key=lambda p: p[0])
            if len(paths) > 100:
                paths = paths[: max(1, len(paths) * keep // 100)]
            assert tails[t].tolist() == ([-1] * 5 + list(paths[0][1]))[-5:]


def test_the_likelihood_keeps_a_percentage_too():
    """A two-way grid has too many paths to search all; a percentage of them suffices."""
    n = 12
    around = [((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)) for i in range(n) for j in range(n)]
    rows = [[a * n + b for a, b in cells if 0 <= a < n and 0 <= b < n] for cells in around]
    rng = np.random.default_rng(0)
    route_map = RouteMap(rng.normal(size=(n * n, 6)), RouteGraph.from_neighbors(rows, "grid"))
    drive = np.array([[0, 1, 2, 14, 26, 27, 28, 40, 41, 42, 43, 55, 67, 68, 69, 70, 71, 83]])
    query = 0.83 * route_map.reference[drive] + 0.3 * rng.normal(size=(1, 18, 6))
    route_map = replace(route_map, unlabelled=query[0])
    for name in ("paper", "likelihood", "hubness"):
        with pytest.raises(InputError) as refused:
            build_localizer(name, route_map).locate(query)
        assert "more than 20,000,000 simple paths" in str(refused.value) and "--keep 50" in str(refused.value)
        assert "\n" not in str(refused.value)
        assert build_localizer(name, route_map, 20).locate(query)[0, -1].tolist() == drive[0, -5:].tolist()


@pytest.mark.parametrize("name", LOCALIZERS)
@pytest.mark.parametrize("keep", [100, 40])
def test_beliefs_say_what_locate_says(tangle, name, keep):
    rng = np.random.default_rng(3)
    reference, heading_deg = rng.normal(size=(60, 3)).astype(np.float32), rng.choice([0.0, 20.0, 90.0], 60)
    route_map = RouteMap(reference, tangle, heading_deg, unlabelled=reference)
    query, turns = rng.normal(size=(4, 5, 3)).astype(np.float32), rng.random((4, 4)) < 0.2
    for observed in (None, turns):
        for r, tails in enumerate(build_localizer(name, route_map, keep).locate(query, observed)):
            steps = build_localizer(name, route_map, keep).beliefs(query[r], None if observed is None else observed[r])
            assert [step.tail.tolist() for step in steps] == tails.tolist()
            for step in steps:
                assert len(set(step.place.tolist())) == len(step.place) == len(step.weight) and step.summary
                if len(step.place):
                    assert step.place[-1] == step.tail[-1] and step.weight[-1] == 1
                    assert (np.diff(step.weight) >= 0).all() and step.weight[0] >= 0
    assert [len(step.place) for step in build_localizer("paper", route_map).beliefs(query[0])][0] == 60


def test_no_path_left_is_a_belief():
    route_map = RouteMap(np.eye(3), RouteGraph.from_neighbors([[1], [2], []], "line"), np.zeros(3))
    step = build_localizer("paper", route_map).beliefs(np.eye(3)[:2], np.array([True]))[1]
    assert len(step.place) == 0 and step.tail.tolist() == [-1] * 5 and step.summary == "0 candidates"


def test_maps_that_do_not_fit_together(tangle):
    with pytest.raises(InputError, match=r"reference embeddings are \(59, 2\) for a graph of 60 places"):
        RouteMap(np.zeros((59, 2)), tangle)
    with pytest.raises(InputError, match="headings are .59,.; they must be 60 finite numbers"):
        RouteMap(np.zeros((60, 2)), tangle, np.zeros(59))
    with pytest.raises(InputError, match="they must be 60 finite numbers"):
        RouteMap(np.zeros((60, 2)), tangle, np.full(60, np.nan))
    with pytest.raises(InputError, match="reference embedding 3 is not finite"):
        RouteMap(np.where(np.arange(60)[:, None] == 3, np.nan, np.zeros((60, 2))), tangle)


@pytest.mark.parametrize("name", LOCALIZERS)
def test_queries_that_cannot_be(tangle, name):
    reference = np.random.default_rng(0).normal(size=(60, 3))
    localizer = build_localizer(name, RouteMap(reference, tangle, unlabelled=reference))
    query = np.zeros((4, 5, 3), np.float32)
    query[3, 2, 1] = np.nan
    with pytest.raises(InputError, match="query embedding .* is not finite"):
        localizer.locate(query)
    with pytest.raises(InputError, match="query embeddings of 2 dimensions, references of 3"):
        localizer.locate(query[..., :2])


def test_more_candidates_than_can_be_held(monkeypatch, tangle):
    monkeypatch.setattr("eval.routes.localizers.search.MAX_PATHS", 300)
    with pytest.raises(InputError, match=r"more than 300 candidates in one search; keep fewer \(--keep 45\)"):
        LikelihoodSearch(RouteMap(np.random.default_rng(0).normal(size=(60, 3)), tangle), 90).locate(np.zeros((1, 8, 3)))


@pytest.mark.parametrize("name", LOCALIZERS)
def test_a_graph_without_edges(name):
    """One panorama is located; for a second one, only the online localizer has a move, the restart."""
    places = np.random.default_rng(0).normal(size=(6, 4))
    localizer = build_localizer(name, RouteMap(places, RouteGraph.from_neighbors([[]] * 6, "isolated"), unlabelled=places))
    assert localizer.locate(places[:, None])[:, 0, -1].tolist() == list(range(6))
    if name == "online":
        assert localizer.locate(places[None, [2, 4]])[0, :, -1].tolist() == [2, 4]
    else:
        with pytest.raises(InputError, match="longer than any path of the graph: its longest simple path has 1 places"):
            localizer.locate(places[None, [2, 4]])
