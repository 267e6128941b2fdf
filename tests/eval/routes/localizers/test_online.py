"""The online localizer: against its reference implementation, against a list of all histories, and on disturbed real drives."""

import numpy as np
import pytest

from benchmarks.naive_filter import log_density, moves, naive_start, naive_step
from eval.routes.graphs.drives import disturbed, kidnapped
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.inputs import read_inputs
from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import PairModel
from eval.routes.localizers.online import Motion, OnlineFilter, OnlineLocalizer
from eval.routes.localizers.paper import PaperSearch
from eval.routes.results.calibration import calibration_error, follow
from eval.routes.route_files import read_routes
from utils.errors import InputError

MODEL = PairModel(slope=0.8, variance=0.5, correlation=0.7, reach=0.9, temperature=0.7)
MOTION = Motion(stay=0.1, skip=0.15, restart=0.05, reversal=0.1)


def random_map(graph: RouteGraph, dims: int = 3) -> RouteMap:
    rng = np.random.default_rng(2)
    return RouteMap(rng.normal(size=(len(graph), dims)).astype(np.float32), graph, rng.choice([0.0, 20.0, 90.0], len(graph)))


@pytest.fixture
def crossing() -> RouteGraph:
    """0 ⇄ 1 ⇄ 2, 1 → 3 → 1, 3 → 4 (a dead end), 5 isolated, 6 → 0 one-way."""
    return RouteGraph.from_neighbors([[1], [0, 2, 3], [1], [1, 4], [], [], [0]], "crossing")


def as_dict(localizer: OnlineLocalizer) -> dict:
    origin = [*localizer.origin.tolist(), *[None] * len(localizer.map.graph)]
    return dict(zip(zip(origin, localizer.place.tolist(), strict=True), localizer.probability, strict=True))


def everything(graph: RouteGraph, state) -> list:
    """The moves of a state, a restart at each place among them."""
    onward, put_down = moves(graph, state, MOTION)
    return onward + [(put_down / len(graph), (None, i), (None, i)) for i in range(len(graph))]


@pytest.mark.parametrize("graph", ["crossing", "tangle"])
def test_against_dictionaries(graph, request):
    route_map, query = random_map(request.getfixturevalue(graph)), np.random.default_rng(3).normal(size=(6, 3))
    localizer, belief = OnlineLocalizer(route_map, MODEL, MOTION), None
    for t, y in enumerate(query):
        probability = localizer.step(y)
        belief = naive_step(route_map, MODEL, MOTION, belief, query[t - 1], y) if t else naive_start(route_map, MODEL, y)
        found = as_dict(localizer)
        assert sum(found.values()) == pytest.approx(1, abs=1e-12) and probability.sum() == pytest.approx(1, abs=1e-12)
        for state, value in found.items():
            assert value == pytest.approx(belief.get(state, 0), rel=1e-9, abs=1e-300), (t, state)


def test_against_all_histories(crossing):
    """Three panoramas: the probabilities of all sequences of moves from all places, summed by their last state."""
    route_map, query = random_map(crossing), np.random.default_rng(4).normal(size=(3, 3))
    log_p, expected = log_density(MODEL, route_map.reference.astype(float)), {}
    for start in range(len(crossing)):
        weight = np.exp(log_p(None, start, None, query[0])) / len(crossing)
        for first in everything(crossing, (None, start)):
            for second in everything(crossing, first[1]):
                value = weight
                for t, (probability, _, places) in enumerate((first, second), start=1):
                    value *= probability * np.exp(log_p(*places, query[t - 1], query[t]))
                expected[second[1]] = expected.get(second[1], 0) + value
    localizer = OnlineLocalizer(route_map, MODEL, MOTION)
    for y in query:
        localizer.step(y)
    total = sum(expected.values())
    for state, value in as_dict(localizer).items():
        assert value == pytest.approx(expected.get(state, 0) / total, rel=1e-9, abs=1e-300)


def test_moves_of_every_state_are_a_distribution(crossing):
    for state in [(None, i) for i in range(7)] + list(zip(crossing.origin.tolist(), crossing.neighbor.tolist(), strict=True)):
        assert sum(p for p, *_ in everything(crossing, state)) == pytest.approx(1)
        assert min(p for p, *_ in everything(crossing, state)) > 0


def corridor(n: int = 30, dims: int = 8) -> RouteMap:
    """A two-way line 0 to n − 2 and an isolated place n − 1, whose embeddings all differ clearly."""
    rows = [[j for j in (i + 1, i - 1) if 0 <= j < n - 1] for i in range(n - 1)] + [[]]
    return RouteMap(np.random.default_rng(0).normal(size=(n, dims)).astype(np.float32), RouteGraph.from_neighbors(rows, "corridor"))


@pytest.mark.parametrize("drive", [
    [3, 4, 5, 6, 7, 8], [8, 7, 6, 5], [3, 4, 4, 4, 5], [3, 4, 6, 7, 9], [26, 27, 28, 27, 26], [5, 6, 5, 4], [3, 4, 5, 20, 21, 22], [29, 29],
    [4, 5, 29, 11, 12],
])  # fmt: skip
def test_follows_stops_gaps_dead_ends_reversals_and_restarts(drive):
    route_map = corridor()
    localizer = OnlineLocalizer(route_map, PairModel(temperature=1.0))
    for t, place in enumerate(drive):
        localizer.step(route_map.reference[place])
        found, came_from, probability = localizer.best()
        assert found == place and probability > 0.8
        if t and abs(place - drive[t - 1]) == 1:
            assert came_from == drive[t - 1]
    assert localizer.best_tail().tolist() == ([-1] * 5 + drive)[-5:] or 29 in drive or 20 in drive


def test_a_turn_observed_decides_between_alike_places():
    graph = RouteGraph.from_neighbors([[1, 2], [], []], "fork")
    route_map = RouteMap(np.array([[0, 1], [1, 0], [1, 0]], np.float32), graph, np.array([0.0, 90.0, 10.0]))
    for turn, likely in ((True, 1), (False, 2), (None, None)):
        localizer = OnlineLocalizer(route_map)
        localizer.step(np.array([0.0, 1.0]))
        probability = localizer.step(np.array([1.0, 0.0]), turn)
        assert probability[1] == pytest.approx(probability[2]) if likely is None else probability[likely] > 2 * probability[3 - likely]


def test_far_outliers_do_not_break_it_and_reset_forgets():
    route_map = corridor()
    localizer = OnlineLocalizer(route_map)
    first = [localizer.step(route_map.reference[i]) for i in (3, 4)]
    assert np.isfinite(localizer.step(np.full(8, 1e3))).all() and np.isfinite(localizer.step(np.full(8, -1e3))).all()
    assert localizer.step(route_map.reference[9]).sum() == pytest.approx(1)
    localizer.reset()
    assert all((localizer.step(route_map.reference[i]) == expected).all() for i, expected in zip((3, 4), first, strict=True))


def test_refuses_what_is_not_finite_of_another_size_or_no_probability():
    route_map = corridor()
    localizer = OnlineLocalizer(route_map)
    before = localizer.step(route_map.reference[3]).copy()
    with pytest.raises(InputError, match="not finite"):
        localizer.step(np.full(8, np.nan))
    with pytest.raises(InputError, match="dimensions"):
        localizer.step(np.zeros(7))
    with pytest.raises(InputError, match="no headings"):
        localizer.step(route_map.reference[4], turn=True)
    assert (localizer.place_probability() == before).all()
    with pytest.raises(InputError, match="not finite"):
        OnlineLocalizer(RouteMap(np.full((30, 8), np.inf), route_map.graph))
    with pytest.raises(InputError, match="all the same"):
        OnlineLocalizer(RouteMap(np.ones((30, 8)), route_map.graph))
    for wrong in (Motion(stay=-0.1), Motion(restart=0.0), Motion(stay=0.9, skip=0.2)):
        with pytest.raises(InputError, match="must be 0 or more"):
            OnlineLocalizer(route_map, motion=wrong)


@pytest.mark.parametrize("area", ["hudsonriver5k", "unionsquare5k"])
def test_real_drives(shared_data, area):
    """High confidence is justified. After a move elsewhere it is right again within ten panoramas; the paper's search stays wrong."""
    inputs = read_inputs(shared_data / f"published-embeddings/dgcnn2to3/MES_{area}.mat")
    routes = read_routes(shared_data / f"published-routes/{area}_routes_500.mat", inputs.map.graph)[:60]
    localizer = OnlineLocalizer(inputs.map)
    confidence, right, log_true = follow(localizer, inputs.query, disturbed(routes, np.random.default_rng(0)))
    sure = confidence >= 0.9
    assert sure.mean() > 0.4 and right[sure].mean() > 0.95 and np.isfinite(log_true).all()
    assert calibration_error(confidence, right) < 0.08
    drives = np.stack(kidnapped(routes))
    found = OnlineFilter(inputs.map).locate(inputs.query[drives])[:, :, -1] == drives
    lost = PaperSearch(inputs.map).locate(inputs.query[drives])[:, :, -1] == drives
    assert found[:, -10:].mean() > 0.8 and found[:, -10:].mean() > lost[:, -10:].mean() + 0.3
