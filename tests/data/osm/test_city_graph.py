"""The graph of a city: what its nodes are, and which are neighbours."""

import numpy as np
import pytest
import shapely

from data.city import CityMap
from data.osm.build import build_map
from data.osm.buildings import Volumes, build_volumes
from data.osm.city_graph import BESIDE_M, FRONT_M, GAP_M, build_graph
from data.osm.store import WAY
from data.osm.tags import DRIVABLE
from data.surfaces import DECK_M_PER_LEVEL
from tests.data.osm.scenes import holed
from utils.classes import INDEX

BUILDING = INDEX["buildings"]
CORNER, NEXT, BEYOND, TOWER, LONELY, SHED = range(6)  # buildings of the village, by id
EAST, NORTH, BRIDGE = 6, 9, 12  # first piece of each of its streets


@pytest.fixture(scope="module")
def village(new_extract, tmp_path_factory):
    """A street of three pieces to the east, one of three to the north from where it begins, a bridge of three from where it ends."""
    extract = new_extract(300, 200)
    extract.box(12, 12, 32, 32, {"building": "yes", "height": "9"})
    extract.box(34, 12, 50, 32, {"building": "yes", "height": "12"})  # 2 m to the east
    extract.box(60, 8, 100, 20, {"building": "yes", "height": "15"})  # 10 m farther
    tower = extract.box(60, 20, 100, 60, {"building": "yes", "height": "30"})  # wall to wall; parts of it:
    extract.box(-100, -100, -80, -80, {"building": "yes", "height": "3"})  # 80 m from every street
    extract.box(150, 10, 160, 20, {"building": "yes", "height": "4"})  # under the bridge
    extract.box(60, 20, 80, 60, {"building:part": "yes", "height": "30"})
    extract.box(70, 30, 100, 60, {"building:part": "yes", "height": "90"})  # 10 m × 30 m of it over the other
    extract.way([(0, 0), (114, 0)], {"highway": "residential", "width": "6"})
    extract.way([(0, 0), (0, 114)], {"highway": "primary", "width": "10"})
    extract.way([(114, 0), (228, 0)], {"highway": "primary", "width": "10", "bridge": "yes", "layer": "2"})
    extract.way([(-200, -150), (200, -150)], {"highway": "footway"})
    assert tower == 4
    city = tmp_path_factory.mktemp("village")
    build_map(extract.write(city / "village.osm"), city, density=0.01, metres_per_pixel=2.0)
    return CityMap(city).graph


def neighbours(graph, node):
    return set(graph.edges[1][graph.edges[0] == node].tolist())


def test_nodes_are_buildings_then_streets(village):
    primary, residential = INDEX["roads_primary"], INDEX["roads_residential"]
    assert village.classes.tolist() == [BUILDING] * 6 + [residential] * 3 + [primary] * 6
    assert village.xy[:EAST] == pytest.approx(np.array([(22, 22), (42, 22), (80, 14), (80, 40), (-90, -90), (155, 15)]), abs=1.5)
    assert village.xy[EAST:] == pytest.approx(np.array([*((19 + 38 * i, 0) for i in range(3)), *((0, 19 + 38 * i) for i in range(3)),
                                                        *((133 + 38 * i, 0) for i in range(3))]), abs=0.01)  # fmt: skip
    assert village.height_m.tolist() == [9, 12, 15, 90, 3, 4] + [0] * 6 + [2 * DECK_M_PER_LEVEL] * 3
    assert village.length_m == pytest.approx([0] * 6 + [38] * 9, abs=0.01)
    assert village.area_m2[:EAST] == pytest.approx([400, 320, 480, 1600, 400, 100], abs=1)  # what parts share counts once
    assert village.area_m2[EAST:] == pytest.approx([228] * 3 + [380] * 6, abs=0.1)
    east, north = [0, -1], [0, 1]  # twice 90°, and twice 0°
    assert village.direction == pytest.approx(np.array([[0, 0]] * 6 + [east] * 3 + [north] * 3 + [east] * 3), abs=1e-4)


def test_neighbours_by_hand(village):
    assert neighbours(village, CORNER) == {NEXT, EAST, EAST + 1, NORTH, NORTH + 1}
    assert neighbours(village, NEXT) == {CORNER, EAST, EAST + 1}  # 12 m from both, though nearer to one in its middle
    assert neighbours(village, BEYOND) == {TOWER, EAST + 1, EAST + 2}
    assert neighbours(village, TOWER) == {BEYOND, EAST + 1, EAST + 2}  # 20 m
    assert neighbours(village, LONELY) == set() == neighbours(village, SHED)  # the street ends 37 m from the shed
    assert neighbours(village, EAST + 2) == {BEYOND, TOWER, EAST + 1, BRIDGE}
    assert neighbours(village, EAST) & set(range(EAST, 15)) == {EAST + 1, NORTH}
    assert neighbours(village, NORTH + 1) == {CORNER, NORTH, NORTH + 2}
    assert neighbours(village, BRIDGE + 1) == {BRIDGE, BRIDGE + 2}


def test_edges_go_both_ways_in_order_and_to_others(village, west_village):
    for graph in (village, west_village.graph):
        edges = [tuple(e) for e in graph.edges.T.tolist()]
        assert edges == sorted(set(edges)) and {(b, a) for a, b in edges} == set(edges)
        assert all(a != b for a, b in edges) and graph.edges.min() >= 0 and graph.edges.max() < len(graph.xy)
        lengths = {len(value) for name, value in vars(graph).items() if name != "edges"}
        assert lengths == {len(graph.classes)}


def test_a_street_is_straight_from_either_end_and_bent_ones_are_less(new_extract, tmp_path):
    extract = new_extract(200, 200)
    extract.box(-150, -150, -140, -140, {"building": "yes"})
    for line in ([(0, 0), (30, 30)], [(80, 30), (50, 0)], [(100, 0), (115, 0), (115, 15)], [(0, 80), (10, 80 + 10 * 3**0.5)]):
        extract.way(line, {"highway": "service"})
    build_map(extract.write(tmp_path / "town.osm"), tmp_path, density=0.01, metres_per_pixel=2.0)
    there, back, bent, steep = np.delete(CityMap(tmp_path).graph.direction, 0, axis=0)[[0, 2, 4, 5]]  # the first two are two pieces
    assert there == pytest.approx([1, 0], abs=0.01) and back == pytest.approx([1, 0], abs=0.01)
    assert bent == pytest.approx([0, 0], abs=0.01)
    assert steep == pytest.approx([np.sin(np.radians(60)), np.cos(np.radians(60))], abs=0.01)


def test_what_lies_beyond_the_map_is_left_out(new_extract, tmp_path):
    extract = new_extract(100, 100)
    extract.box(0, 10, 20, 30, {"building": "yes"})
    extract.way([(-990, 0), (990, 0)], {"highway": "residential"})
    build_map(extract.write(tmp_path / "town.osm"), tmp_path, density=0.01, metres_per_pixel=2.0)
    graph = CityMap(tmp_path).graph
    assert np.abs(graph.xy).max() < 100 and graph.xy[1:, 0] == pytest.approx([-99, -59.4, -19.8, 19.8, 59.4, 99], abs=0.1)
    assert neighbours(graph, 1) == {2}


def test_a_map_without_streets(tower_city):
    graph = tower_city.graph
    assert graph.classes.tolist() == [BUILDING] and graph.edges.shape == (2, 0) and graph.direction.shape == (1, 2)


@pytest.fixture(scope="module")
def real(read, shared_data):
    """Buildings and streets of a real extract as its reader returns them, and their graph."""
    reading = read(shared_data / "osm/west-village.osm.pbf")
    bounds = reading.store.blocks.geo.bounds
    volumes = build_volumes(*reading.all("building"), bounds, 0)
    lines, records = reading.all("way")
    drivable = np.isin(records["semantic"], list(DRIVABLE))
    return volumes, lines[drivable], build_graph(volumes, lines[drivable], records[drivable], bounds)


def test_real_buildings_against_a_loop(real):
    """Nodes and neighbours of one in fifteen, found one by one from their volumes alone."""
    volumes, _, graph = real
    groups = {}
    for i, building in enumerate(volumes.building.tolist()):
        groups.setdefault(building, []).append(i)
    ids = sorted(groups)
    assert (graph.classes == BUILDING).sum() == len(ids)
    shapes = np.array([shapely.union_all(volumes.polygons[groups[i]]) for i in ids], object)
    several = [n for n, i in enumerate(ids) if len(groups[i]) > 1]
    assert len(several) > 5
    for node in sorted({*range(0, len(ids), 15), *several}):
        shape = shapes[node]
        assert graph.xy[node] == pytest.approx([shape.centroid.x, shape.centroid.y], abs=1e-6)
        assert graph.area_m2[node] == pytest.approx(shape.area, rel=1e-6)
        assert graph.height_m[node] == pytest.approx(max(volumes.top_m[groups[ids[node]]]), rel=1e-6)
        near = np.flatnonzero(shapely.distance(shape, shapes) <= GAP_M)
        assert {n for n in neighbours(graph, node) if n < len(ids)} == set(near.tolist()) - {node}


def test_real_buildings_stand_at_the_nearest_street(real):
    """The pieces are taken as straight, which most are."""
    volumes, lines, graph = real
    buildings = (graph.classes == BUILDING).sum()
    half = np.arctan2(*graph.direction[buildings:].T) / 2
    reach = np.column_stack([np.sin(half), np.cos(half)]) * graph.length_m[buildings:, None] / 2
    pieces = shapely.linestrings(np.stack([graph.xy[buildings:] - reach, graph.xy[buildings:] + reach], axis=1))
    straight = np.hypot(*graph.direction[buildings:].T) > 0.9999
    assert straight.mean() > 0.8
    alone = np.flatnonzero(np.bincount(volumes.building - volumes.building.min()) == 1) + volumes.building.min()
    ids, checked = np.unique(volumes.building), 0
    for node in range(0, buildings, 7):
        if ids[node] not in alone:
            continue
        distance = shapely.distance(volumes.polygons[np.flatnonzero(volumes.building == ids[node])[0]], pieces)
        near = distance < FRONT_M + 20
        if not straight[near].all():
            continue
        limit = min(FRONT_M, distance.min(initial=np.inf) + BESIDE_M)
        surely, perhaps = (set((buildings + np.flatnonzero(distance <= limit + d)).tolist()) for d in (-0.05, 0.05))
        found = {n for n in neighbours(graph, node) if n >= buildings}
        assert surely - found == set() == found - perhaps
        checked += bool(found)
    assert checked > 60


def test_every_part_belongs_to_the_building_it_stands_in(lower_manhattan):
    """One World Trade Center and others consist of dozens of parts."""
    info, graph = lower_manhattan.info, lower_manhattan.graph
    assert info["graph"] == {"buildings": (graph.classes == BUILDING).sum(), "street_pieces": (graph.classes != BUILDING).sum(),
                             "neighbours": graph.edges.shape[1] / 2}  # fmt: skip
    assert info["elements"]["buildings"] * 0.99 < info["graph"]["buildings"] < info["elements"]["buildings"] * 1.01
    x, y = lower_manhattan.projection.forward(40.7130, -74.0132)
    near = np.hypot(*(graph.xy - (x, y)).T) < 40
    tower = np.flatnonzero(near & (graph.height_m > 400))
    assert len(tower) == 1 and 3000 < graph.area_m2[tower[0]] < 6000
    degree = np.bincount(graph.edges[0], minlength=len(graph.xy))
    assert (degree[graph.classes == BUILDING] > 0).mean() > 0.97 and degree.max() < 60


def test_the_order_of_volumes_and_holes_do_not_matter():
    """Random shapes: the graph of shuffled volumes is the same but for rounding."""
    rng = np.random.default_rng(1)
    shapes = np.array([holed(rng, rng.uniform(-150, 150, 2), 25.0) for _ in range(60)], object)
    n = len(shapes)
    volumes = Volumes(shapes, np.arange(n), np.zeros(n), np.ones(n), rng.uniform(3, 30, n), np.zeros(n, np.uint8), np.zeros(n, bool),
                      np.full(n, np.nan), np.zeros(n, np.uint8), np.zeros(n, bool), np.arange(n) // 2, np.zeros(n, bool))  # fmt: skip
    records = np.zeros(1, WAY)
    records["semantic"], records["width_m"] = INDEX["roads_primary"], 10
    street = np.array([shapely.LineString([(-150, 0), (150, 5)])], object)
    graphs = [build_graph(v, street, records, (-200, -200, 200, 200)) for v in (volumes, volumes[rng.permutation(n)])]
    for name, value in vars(graphs[0]).items():
        assert np.allclose(value, getattr(graphs[1], name), atol=1e-6), name
