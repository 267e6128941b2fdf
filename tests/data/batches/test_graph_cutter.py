"""Graphs of places: the vectorised cut against a loop over places and nodes, on a village, the generated town and a real city."""

import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data.batches.graph_cutter import GraphCutter
from data.city import CityGraph, CityMap
from data.osm.build import build_map
from data.town.write_town import write_town
from utils.batch import FEATURES, PlaceGraph
from utils.classes import INDEX
from utils.errors import InputError


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    path = tmp_path_factory.mktemp("town")
    write_town(path / "town.osm", 0, 700, 600)
    build_map(path / "town.osm", path / "city", density=0.01, metres_per_pixel=2.0)
    return CityMap(path / "city")


def of(graph: PlaceGraph) -> list[tuple[dict, set]]:
    """Of each place: its nodes' features and class by their position in the view, and its edges as pairs of such positions."""
    spot = [tuple(v) for v in graph.nodes[:, :2].double().round(decimals=2).add(0.0).tolist()]
    places = [({}, set()) for _ in range(graph.places)]
    for i, place in enumerate(graph.place.tolist()):
        places[place][0][spot[i]] = (*graph.nodes[i].tolist(), int(graph.classes[i]))
    for a, b in graph.edges.T.tolist():
        assert graph.place[a] == graph.place[b]
        places[int(graph.place[a])][1].add((spot[a], spot[b]))
    return places


def cut_by_loop(graph: CityGraph, centre, heading_deg) -> list[tuple[np.ndarray, np.ndarray, list]]:
    """Of each place: nodes of the city, their features, and edges (pairs of nodes)."""
    made = []
    for (x, y), heading in zip(centre.tolist(), np.radians(heading_deg.tolist()), strict=True):
        nodes, features = [], []
        for node, (east, north) in enumerate((graph.xy - (x, y)).tolist()):
            right, ahead = east * math.cos(heading) - north * math.sin(heading), east * math.sin(heading) + north * math.cos(heading)
            if max(abs(right), abs(ahead)) >= 76:
                continue
            bearing, street = math.atan2(right, ahead), graph.classes[node] != INDEX["buildings"]
            twice = math.atan2(*graph.direction[node]) - 2 * heading
            straight = math.hypot(*graph.direction[node])
            nodes.append(node)
            features.append([right, ahead, math.hypot(east, north), math.sin(bearing), math.cos(bearing), math.log(1 + graph.area_m2[node]),
                             graph.height_m[node], graph.length_m[node], float(street), straight * math.sin(twice),
                             straight * math.cos(twice)])  # fmt: skip
        chosen = set(nodes)
        made.append((np.array(nodes, int), np.array(features).reshape(-1, len(FEATURES)),
                     [(a, b) for a, b in graph.edges.T.tolist() if a in chosen and b in chosen]))  # fmt: skip
    return made


def assert_as_by_loop(cut: PlaceGraph, city: CityGraph, centre, heading_deg):
    assert cut.nodes.dtype == torch.float32 and cut.place.dtype == cut.edges.dtype == torch.int64 and cut.classes.dtype == torch.uint8
    assert cut.places == len(centre) and (cut.place.diff() >= 0).all()
    assert torch.equal(cut.edges, torch.from_numpy(np.unique(cut.edges.numpy(), axis=1)))
    expected = cut_by_loop(city, centre, heading_deg)
    for place, (nodes, features, edges) in enumerate(expected):
        mine = torch.where(cut.place == place)[0]
        assert len(mine) == len(nodes)
        # Which node of the city is which of the cut: nodes of one place lie apart.
        spots = cut.nodes[mine, None, :2].numpy() - features[None, :, :2]
        match = np.abs(spots).max(2).argmin(1) if len(nodes) else np.zeros(0, int)
        assert sorted(match) == list(range(len(nodes)))
        assert cut.nodes[mine].numpy() == pytest.approx(features[match], abs=2e-4)
        assert cut.classes[mine].tolist() == city.classes[nodes[match]].tolist()
        number = dict(zip(mine.tolist(), nodes[match].tolist(), strict=True))
        assert {(number[a], number[b]) for a, b in cut.edges.T.tolist() if a in number} == set(edges)
    assert cut.edges.shape[1] == sum(len(edges) for _, _, edges in expected)


def some_places(city: CityMap, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ones all over the map, in its corners, and beyond it."""
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = city.georeference.bounds
    centre = rng.uniform((x0, y0), (x1, y1), (n, 2))
    beyond = [(x0, y0), (x1, y1), (x0 - 50, y1 + 20), (x1 + 90, y0 + 30), (x1 + 500, y0), (x0 - 1e5, y0 - 1e5), (0, y1 + 300)]
    centre = np.concatenate([centre, beyond, centre[:2]])
    return torch.from_numpy(centre), torch.from_numpy(rng.uniform(0, 360, len(centre)))


@pytest.mark.parametrize("name", ["town", "small_city", "west_village"])
def test_all_places_of_a_batch_against_a_loop(name, request):
    city = request.getfixturevalue(name)
    centre, heading = some_places(city, 20)
    cut = GraphCutter(city)(centre, heading)
    assert_as_by_loop(cut, city.graph, centre, heading)
    count = torch.bincount(cut.place, minlength=cut.places)
    assert count[:20].float().mean() > 8 and (count == 0).sum() >= 2 and cut.edges.shape[1] > 100
    assert len(set(cut.classes.tolist())) > 1 and 0 < cut.nodes[:, FEATURES.index("street")].mean() < 1


def test_the_square_is_open_and_turned():
    """Nodes by hand: 76 m to the right is outside, just less is inside; of a place turned by 45° the corner reaches farther."""
    xy = np.array([(75.99, 0), (76.01, 0), (0, 107.3), (0, 107.6), (-20, -20), (0, 0)])
    none = np.zeros(6, np.float32)
    graph = CityGraph(xy, np.full(6, INDEX["buildings"], np.uint8), none + math.e - 1, none + 9, none, none[:, None].repeat(2, 1),
                      np.array([(0, 1, 2, 4), (1, 0, 4, 2)], np.int32))  # fmt: skip
    city = SimpleNamespace(graph=graph, georeference=SimpleNamespace(bounds=(-200, -200, 300, 200)))
    cut = GraphCutter(city)(torch.zeros(2, 2, dtype=torch.float64), torch.tensor([0.0, 45.0]))
    north, turned = of(cut)
    assert set(north[0]) == {(75.99, 0), (-20, -20), (0, 0)} and north[1] == set()
    diagonal = round(107.3 / math.sqrt(2), 2)
    first = round(75.99 / math.sqrt(2), 2)
    assert set(turned[0]) == {(first, first), (-diagonal, diagonal), (0, round(-20 * math.sqrt(2), 2)), (0, 0),
                              (round(76.01 / math.sqrt(2), 2),) * 2}  # fmt: skip
    assert len(turned[1]) == 4
    assert turned[0][0, 0] == pytest.approx((0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, INDEX["buildings"]))  # at the viewer: no bearing


def assert_same(graph, other, atol=2e-3):
    """The same nodes of the same places in the same order, and the same edges."""
    assert graph.places == other.places
    for name in ("place", "classes", "edges"):
        assert torch.equal(getattr(graph, name), getattr(other, name)), name
    assert torch.allclose(graph.nodes, other.nodes, atol=atol)


def test_a_turned_viewer_sees_the_same_turned(west_village):
    """Within the circle that both squares hold."""
    centre, heading = some_places(west_village, 20)
    cutter, turn = GraphCutter(west_village), 50.0
    first, second = cutter(centre, heading), cutter(centre, heading + turn)
    rows = [(g.nodes[:, 2] < 75.9) for g in (first, second)]
    a, b = (g.nodes[r].double() for g, r in zip((first, second), rows, strict=True))
    assert len(a) == len(b) > 100 and torch.equal(first.place[rows[0]], second.place[rows[1]])

    def angle(nodes, name):
        return torch.atan2(nodes[:, FEATURES.index(f"{name}_sin")], nodes[:, FEATURES.index(f"{name}_cos")]).rad2deg()

    street = a[:, FEATURES.index("street")] == 1
    for name, by in (("bearing", turn), ("direction", 2 * turn)):
        apart = (angle(a, name) - angle(b, name) - by + 180) % 360 - 180
        assert apart[street].abs().max() < 0.5
    same = [FEATURES.index(name) for name in ("distance", "log_area", "height", "length", "street")]
    assert torch.allclose(a[:, same], b[:, same], atol=1e-3)


def test_a_mirrored_graph_is_that_of_a_mirrored_city(west_village, tmp_path):
    """East and west are exchanged in the city and in the headings; only the order of the nodes differs."""
    centre, heading = some_places(west_village, 10)
    graph, (x0, y0, x1, y1) = west_village.graph, west_village.georeference.bounds
    flipped = CityGraph(graph.xy * (-1, 1), graph.classes, graph.area_m2, graph.height_m, graph.length_m,
                        graph.direction * np.float32([-1, 1]), graph.edges)  # fmt: skip
    city = SimpleNamespace(graph=flipped, georeference=SimpleNamespace(bounds=(-x1, y0, -x0, y1)))
    expected = GraphCutter(city)(centre * torch.tensor([-1.0, 1.0]), -heading)
    plain = GraphCutter(west_village)(centre, heading)
    mirror = torch.arange(len(centre)) % 2 == 0
    seen = of(plain.mirrored(mirror))
    for place, (mirrored, unchanged) in enumerate(zip(of(expected), of(plain), strict=True)):
        nodes, edges = mirrored if mirror[place] else unchanged
        assert sorted(seen[place][0]) == sorted(nodes) and seen[place][1] == edges
        assert all(value == pytest.approx(nodes[spot], abs=1e-3) for spot, value in seen[place][0].items())
    assert_same(plain.mirrored(mirror).mirrored(mirror), plain, atol=0)


def test_batches_join_and_places_are_selected(town):
    cutter = GraphCutter(town)
    centre, heading = some_places(town, 12)
    whole = cutter(centre, heading)
    parts = [cutter(centre[i], heading[i]) for i in torch.arange(len(centre)).split(5)]
    assert_same(PlaceGraph.join(parts), whole, atol=0)
    order = torch.randperm(len(centre), generator=torch.Generator().manual_seed(0))
    for chosen in (order, order[:7], order[:0]):
        assert_same(whole.select(chosen), cutter(centre[chosen], heading[chosen]), atol=0)
    assert_same(whole.select(order).select(order.argsort()), whole, atol=0)
    assert_same(PlaceGraph.join([whole.select(order[:0]), whole]), whole, atol=0)


def test_a_city_without_nodes():
    empty = np.zeros(0, np.float32)
    graph = CityGraph(np.zeros((0, 2)), np.zeros(0, np.uint8), *[empty] * 3, np.zeros((0, 2), np.float32), np.zeros((2, 0), np.int32))
    city = SimpleNamespace(graph=graph, georeference=SimpleNamespace(bounds=(0, 0, 500, 300)))
    cut = GraphCutter(city)(torch.zeros(3, 2, dtype=torch.float64), torch.zeros(3))
    assert cut.nodes.shape == (0, len(FEATURES)) and cut.edges.shape == (2, 0) and cut.places == 3
    assert cut.mirrored(torch.ones(3, dtype=torch.bool)).select(torch.tensor([2, 0])).places == 2


def test_a_map_without_a_graph(small_city, tmp_path):
    shutil.copytree(small_city.path, tmp_path / "city/map")
    (tmp_path / "city/map/graph.npz").unlink()
    with pytest.raises(InputError, match=r"no graph of buildings and streets.*model\.cloud\.encoder.*data\.prepare map"):
        GraphCutter(CityMap(tmp_path / "city"))
