"""The paper's search: against published accuracies, and against a plain Python search on a tangled graph."""

import numpy as np
import pandas as pd
import pytest

from eval.routes.graphs.paths import path_tree
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.graphs.turns import turns_of
from eval.routes.inputs import read_inputs
from eval.routes.localizers import search as paths_search
from eval.routes.localizers.localizer import LOCALIZERS, RouteMap, build_localizer
from eval.routes.localizers.paper import PaperSearch
from eval.routes.results.accuracy import top1_accuracy
from eval.routes.route_files import read_routes, read_turns
from utils.errors import InputError


@pytest.mark.parametrize("area", ["hudsonriver5k", "unionsquare5k"])
def test_all_published_accuracies(shared_data, area):
    """Three embeddings, 100 % and 50 % kept, 40 lengths: to the digit. The published turns follow from the headings."""
    known = pd.read_csv(shared_data / "published-routes/published_top1_accuracy.csv").query("area == @area")
    assert len(known) == 240
    for embedding, of_embedding in known.groupby("embedding"):
        inputs = read_inputs(shared_data / f"published-embeddings/{embedding}/MES_{area}.mat")
        routes = read_routes(shared_data / f"published-routes/{area}_routes_500.mat", inputs.map.graph)
        for keep, curve in of_embedding.groupby("kept_percent"):
            tails = PaperSearch(inputs.map, keep).locate(inputs.query[routes])
            assert top1_accuracy(tails, routes).round(6).tolist() == curve.sort_values("route_length")["top1_accuracy_percent"].tolist()
    turns = read_turns(shared_data / f"published-routes/{area}_turns_500_30.mat", *routes.shape)
    assert (turns_of(routes, inputs.map.heading_deg) == turns).all()


def plain_search(query, reference, graph, keep, turns=None, heading=None):
    """Last five places of the best path after each step, by lists of (score, path) and Python's stable sort."""
    candidates, tails = [(0.0, (i,)) for i in range(len(reference))], []
    for t, q in enumerate(query):
        if t:
            candidates = [(s, (*p, int(j))) for s, p in candidates for j in graph.neighbors(p[-1]) if j not in p]
            if turns is not None:
                changed = [abs((heading[p[-1]] - heading[p[-2]] + 180) % 360 - 180) > 30 for _, p in candidates]
                candidates = [c for c, turn in zip(candidates, changed, strict=True) if turn == turns[t - 1]]
        candidates = sorted(((s + np.sqrt(((q - reference[p[-1]]) ** 2).sum()), p) for s, p in candidates), key=lambda c: c[0])
        if len(candidates) > 100:
            candidates = candidates[: max(1, len(candidates) * keep // 100)]
        tails.append(([-1] * 5 + list(candidates[0][1]))[-5:] if candidates else [-1] * 5)
    return tails


@pytest.mark.parametrize("levels", [1, 2, 3, 1000])  # few values of embeddings: many paths of the same score
@pytest.mark.parametrize("keep", [100, 67, 50, 3])
@pytest.mark.parametrize("use_turns", [False, True])
def test_against_a_plain_search(tangle, levels, keep, use_turns):
    rng = np.random.default_rng(levels)
    query, reference = (rng.integers(0, levels, (n, 1)).astype(np.float32) for n in (8 * 6, 60))
    query, heading = query.reshape(8, 6, 1), rng.choice([0.0, 20.0, 31.0, 340.0], 60)
    turns = rng.random((8, 5)) < 0.5 if use_turns else None
    found = PaperSearch(RouteMap(reference, tangle, heading), keep).locate(query, turns)
    for r in range(len(query)):
        expected = plain_search(query[r].astype(float), reference.astype(float), tangle, keep, None if turns is None else turns[r], heading)
        assert found[r].tolist() == expected


def test_both_searches_agree_without_culling(tangle):
    """The search in the tree of all paths, which routes share, and the one that sorts candidates."""
    rng = np.random.default_rng(0)
    query, reference = rng.integers(0, 3, (4, 6, 2)).astype(np.float32), rng.integers(0, 3, (60, 2)).astype(np.float32)
    search = PaperSearch(RouteMap(reference, tangle))
    for q, tails in zip(query, search.locate(query), strict=True):
        found = search.search(q)
        assert paths_search._tails(found.place, found.parent, found.step).tolist() == tails.tolist()
        assert found.step.tolist() == path_tree(tangle, 6).level.tolist()


def test_one_hundred_candidates_are_never_culled():
    for places, kept in ((100, 100), (101, 50), (103, 51)):
        graph = RouteGraph.from_neighbors([[]] * places, "isolated")
        found = PaperSearch(RouteMap(np.zeros((places, 2), np.float32), graph), 50).search(np.zeros((1, 2), np.float32))
        assert len(found.place) == kept and found.place.tolist() == list(range(kept))


@pytest.mark.parametrize("keep", [0, -1, 100.5, float("nan")])
def test_percentages_that_keep_nothing(tangle, keep):
    with pytest.raises(InputError, match="--keep"):
        PaperSearch(RouteMap(np.zeros((60, 2), np.float32), tangle), keep)


def test_routes_longer_than_any_path():
    line = RouteGraph.from_neighbors([[1], [2], []], "line")
    search = PaperSearch(RouteMap(np.zeros((3, 2), np.float32), line))
    assert search.locate(np.zeros((1, 3, 2), np.float32)).tolist() == [[[-1, -1, -1, -1, 0], [-1, -1, -1, 0, 1], [-1, -1, 0, 1, 2]]]
    with pytest.raises(InputError, match="routes of 4 places are longer than any path of the graph: its longest simple path has 3 places"):
        search.locate(np.zeros((1, 4, 2), np.float32))


def test_turns_without_headings(tangle):
    search = PaperSearch(RouteMap(np.zeros((60, 2), np.float32), tangle))
    with pytest.raises(InputError, match="no headings"):
        search.locate(np.zeros((1, 3, 2), np.float32), np.zeros((1, 2), bool))


def test_localizers_by_name(tangle):
    """Each name gives a localizer, whose answers have the shape of the interface."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((60, 4)).astype(np.float32)
    route_map = RouteMap(reference, tangle, rng.uniform(0, 360, 60), unlabelled=reference)
    for name in LOCALIZERS:
        tails = build_localizer(name, route_map).locate(rng.standard_normal((3, 4, 4)).astype(np.float32))
        assert tails.shape == (3, 4, 5) and tails.dtype == np.int32 and (tails >= -1).all() and (tails < 60).all()
