"""The path search by likelihood: against a plain search, and the accuracy that it must reach on real routes."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.naive_filter import log_density
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.inputs import read_inputs
from eval.routes.localizers.likelihood import TURN_AGREES, LikelihoodSearch
from eval.routes.localizers.localizer import LOCALIZERS, RouteMap, build_localizer
from eval.routes.localizers.observation import PairModel
from eval.routes.results.accuracy import top1_accuracy
from eval.routes.route_files import read_routes, read_turns
from utils.errors import InputError

MODEL = PairModel(slope=0.8, variance=0.5, correlation=0.7, reach=0.9, temperature=0.7)
LONE = RouteGraph.from_neighbors([[1], [2], [], []], "lone")  # 0 → 1 → 2, one-way; 3 isolated


def plain_search(query, route_map, model, turns):
    """Last five places of the most likely simple path after each step, from a list of all paths."""
    log_p, paths, tails = log_density(model, route_map.reference.astype(float)), {}, []
    for t, y in enumerate(query):
        if t == 0:
            paths = {(i,): log_p(None, i, None, y) for i in range(len(route_map.graph))}
        else:
            longer = {}
            for path, score in paths.items():
                for j in map(int, route_map.graph.neighbors(path[-1])):
                    if j not in path:
                        value = score + log_p(path[-1], j, query[t - 1], y)
                        if turns is not None:
                            change = abs((route_map.heading_deg[j] - route_map.heading_deg[path[-1]] + 180) % 360 - 180) > 30
                            value += np.log(TURN_AGREES if change == turns[t - 1] else 1 - TURN_AGREES)
                        longer[(*path, j)] = value
            paths = longer
        tails.append(([-1] * 5 + list(max(paths, key=paths.get)))[-5:])
    return tails


@pytest.mark.parametrize("use_turns", [False, True])
def test_against_a_plain_search(tangle, use_turns):
    rng = np.random.default_rng(1)
    route_map = RouteMap(rng.normal(size=(60, 3)).astype(np.float32), tangle, rng.choice([0.0, 20.0, 90.0, 340.0], 60))
    query, turns = rng.normal(size=(8, 6, 3)), rng.random((8, 5)) < 0.5 if use_turns else None
    found = LikelihoodSearch(route_map, model=MODEL).locate(query, turns)
    for r in range(len(query)):
        assert found[r].tolist() == plain_search(query[r], route_map, MODEL, None if turns is None else turns[r])


def test_without_correlation_it_is_the_sum_of_squared_distances(tangle):
    rng = np.random.default_rng(6)
    route_map, query = RouteMap(rng.normal(size=(60, 2)), tangle), rng.normal(size=(5, 4, 2))
    found = LikelihoodSearch(route_map, model=PairModel(slope=1, correlation=0, temperature=0.01)).locate(query)
    for r in range(5):
        paths = [(i,) for i in range(60)]
        for _ in range(3):
            paths = [(*p, int(j)) for p in paths for j in tangle.neighbors(p[-1]) if j not in p]
        best = min(paths, key=lambda p: ((query[r] - route_map.reference[list(p)]) ** 2).sum())  # noqa: B023
        assert found[r, -1].tolist() == [-1, *best]


def test_one_way_edges_isolated_places_and_routes_too_long():
    route_map = RouteMap(np.eye(4, dtype=np.float32), LONE)
    drive = route_map.reference[[2, 1, 0]]  # against the one-way street
    assert LikelihoodSearch(route_map).locate(drive[None])[0, -1].tolist() == [-1, -1, 0, 1, 2]
    assert LikelihoodSearch(route_map).locate(route_map.reference[None, [3]])[0, 0].tolist() == [-1, -1, -1, -1, 3]
    with pytest.raises(InputError, match="longer than any path"):
        LikelihoodSearch(route_map).locate(route_map.reference[None, [0, 1, 2, 3]])


def test_every_localizer_by_name_is_deterministic_and_refuses_what_is_not_finite(tangle):
    rng = np.random.default_rng(2)
    reference, query = rng.normal(size=(60, 3)).astype(np.float32), rng.normal(size=(20, 5, 3)).astype(np.float32)
    route_map = RouteMap(reference, tangle, unlabelled=query[0])
    for name in LOCALIZERS:
        tails = build_localizer(name, route_map).locate(query)
        assert tails.shape == (20, 5, 5) and (tails == build_localizer(name, route_map).locate(query)).all()
        assert (build_localizer(name, route_map).locate(query[:, :3]) == tails[:, :3]).all()  # later steps change nothing
        with pytest.raises(InputError, match="no headings"):
            build_localizer(name, route_map).locate(query, np.zeros((20, 4), bool))
    query[3, 2, 1] = np.nan
    for name in ("likelihood", "online"):
        with pytest.raises(InputError, match="not finite"):
            build_localizer(name, route_map).locate(query)
    with pytest.raises(InputError, match="not finite"):
        LikelihoodSearch(RouteMap(np.full((60, 3), np.nan, np.float32), tangle))


@pytest.mark.parametrize(("area", "at_five"), [("hudsonriver5k", 84.0), ("unionsquare5k", 91.0)])
def test_better_than_published(shared_data, area, at_five):
    """With the default parameters, without turns; turns do not lower the accuracy."""
    known = pd.read_csv(shared_data / "published-routes/published_top1_accuracy.csv")
    known = known.query("area == @area and kept_percent == 100 and embedding == 'dgcnn2to3'").sort_values("route_length")
    inputs = read_inputs(shared_data / f"published-embeddings/dgcnn2to3/MES_{area}.mat")
    routes = read_routes(shared_data / f"published-routes/{area}_routes_500.mat", inputs.map.graph)
    search = LikelihoodSearch(inputs.map)
    accuracy = top1_accuracy(search.locate(inputs.query[routes]), routes)
    assert accuracy[4] >= at_five
    assert (accuracy - known["top1_accuracy_percent"].to_numpy()).min() >= -0.4 - 1e-9
    turns = read_turns(shared_data / f"published-routes/{area}_turns_500_30.mat", *routes.shape)
    assert top1_accuracy(search.locate(inputs.query[routes], turns), routes).mean() >= accuracy.mean()
