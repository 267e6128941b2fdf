"""The hubness correction: against its formula written out, what it does to a hub, and what it needs."""

import numpy as np
import pytest

from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.localizers import hubness
from eval.routes.localizers.hubness import HubnessSearch, mean_of_least, squared_distances
from eval.routes.localizers.likelihood import LikelihoodSearch
from eval.routes.localizers.localizer import RouteMap
from eval.routes.localizers.observation import PairModel
from utils.errors import InputError

MODEL = PairModel(slope=0.8, variance=0.5, correlation=0.7, reach=0.9, temperature=0.7)


@pytest.mark.parametrize("count", [4, 30])  # fewer than K, and more
def test_against_the_formula(tangle, count):
    rng = np.random.default_rng(0)
    unlabelled = rng.normal(size=(count, 3))
    route_map, query = RouteMap(rng.normal(size=(60, 3)), tangle, unlabelled=unlabelled), rng.normal(size=(14, 3))
    plain, search = LikelihoodSearch(route_map, model=MODEL), HubnessSearch(route_map, model=MODEL)
    (first, edges), (corrected_first, corrected_edges) = (s.costs(query, None) for s in (plain, search))

    def correction(place: int) -> float:
        near = sorted(((y - MODEL.slope * route_map.reference[place]) ** 2).sum() for y in unlabelled)[:10]
        return 0.5 * plain.observation.gain * sum(near) / len(near)

    assert corrected_first == pytest.approx([cost - correction(i) for i, cost in enumerate(first)])
    expected = [[cost - correction(j) for j, cost in zip(tangle.neighbor, row, strict=True)] for row in edges]
    assert corrected_edges == pytest.approx(np.array(expected))


def test_a_hub_no_longer_wins(monkeypatch):
    """Place 0 is a hub: a little nearer to the panorama of each other place than that place itself."""
    monkeypatch.setattr(hubness, "K", 2)
    reference = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], float)
    route_map = RouteMap(reference, RouteGraph.from_neighbors([[]] * 5, "isolated"), unlabelled=0.45 * reference[1:])
    model, drive = PairModel(slope=1.0), 0.45 * reference[None, [1]]
    assert LikelihoodSearch(route_map, model=model).locate(drive)[0, 0, -1] == 0
    assert HubnessSearch(route_map, model=model).locate(drive)[0, 0, -1] == 1


def test_many_references_in_blocks(monkeypatch, tangle):
    rng = np.random.default_rng(1)
    route_map = RouteMap(rng.normal(size=(60, 3)).astype(np.float32), tangle, unlabelled=rng.normal(size=(25, 3)).astype(np.float32))
    whole = HubnessSearch(route_map).nearness
    monkeypatch.setattr(hubness, "BLOCK", 7)
    assert HubnessSearch(route_map).nearness == pytest.approx(whole) and whole.shape == (60,)


def test_distances_and_means():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    expected = ((a[:, None] - b) ** 2).sum(-1)
    assert squared_distances(a, b) == pytest.approx(expected)
    assert mean_of_least(expected, 2) == pytest.approx(np.sort(expected)[:, :2].mean(1))
    assert mean_of_least(expected, 9) == pytest.approx(expected.mean(1))


def test_without_unlabelled_panoramas_it_is_refused(tangle):
    with pytest.raises(InputError, match="needs unlabelled panoramas; give --unlabelled FILE"):
        HubnessSearch(RouteMap(np.random.default_rng(0).normal(size=(60, 3)), tangle))


def test_unlabelled_of_another_model_or_not_finite(tangle):
    with pytest.raises(InputError, match="unlabelled embeddings of 4 dimensions, references of 3"):
        RouteMap(np.zeros((60, 3)), tangle, unlabelled=np.zeros((9, 4)))
    with pytest.raises(InputError, match="unlabelled embedding 2 is not finite"):
        RouteMap(np.zeros((60, 3)), tangle, unlabelled=np.array([[0, 0, 0], [1, 1, 1], [0, np.inf, 0]]))
