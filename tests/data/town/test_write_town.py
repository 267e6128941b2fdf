"""The demo town: reproducible, readable as OpenStreetMap, complete, and with nothing built where it cannot stand."""

import numpy as np
import osmium
import pytest
import shapely

from data.town.blocks import ROAD_WIDTH_M
from data.town.write_town import MIN_EXTENT_M, write_town
from utils.projection import Projection

ORIGIN = (48.0, 9.0)
SIZE_M = (1400, 1000)
SLIVER_M2 = 0.3  # neighbours share walls whose corners are rounded to a centimetre
THINGS = {
    "building", "bridge", "grass", "garden", "parking", "park", "water", "wood", "rail", "tree", "tree_row",
    "pedestrian", "primary", "secondary", "tertiary", "residential", "service", "footway", "cycleway", "steps",
}  # fmt: skip


class Town:
    """What pyosmium makes of the file: (geometry in metres, tags) of nodes, ways and areas; relations by tags."""

    def __init__(self, path):
        wkb, projection = osmium.geom.WKBFactory(), Projection(*ORIGIN)

        def metres(data):
            degrees = shapely.from_wkb(data)
            return shapely.transform(degrees, lambda c: np.column_stack(projection.forward(c[:, 1], c[:, 0])))

        self.nodes, self.ways, self.areas, self.relations, self.way_nodes = [], [], [], [], []
        for element in osmium.FileProcessor(str(path)).with_areas():
            tags = dict(element.tags)
            if element.is_node() and tags:
                self.nodes.append((metres(wkb.create_point(element)), tags))
            elif element.is_way():
                self.ways.append((metres(wkb.create_linestring(element)), tags))
                self.way_nodes.append([node.ref for node in element.nodes])
            elif element.is_area():
                self.areas.append((metres(wkb.create_multipolygon(element)), tags, element.from_way()))
            elif element.is_relation():
                self.relations.append(tags)
        self.buildings = [(g, t) for g, t, _ in self.areas if "building" in t and "location" not in t]
        roads = [(g, t) for g, t in self.ways if "highway" in t and "tunnel" not in t and "area" not in t]
        self.roads = np.array([g.buffer(ROAD_WIDTH_M[t["highway"]] / 2) for g, t in roads])


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    path = tmp_path_factory.mktemp("town") / "town.osm"
    write_town(path, 0, *SIZE_M, ORIGIN)
    return Town(path)


def test_seed_decides_every_byte(tmp_path):
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        write_town(tmp_path / name, seed, 700, 600)
    first, again, other = ((tmp_path / name).read_bytes() for name in ("first", "again", "other"))
    assert first == again
    assert first != other


def test_too_small_a_town_is_refused(tmp_path):
    with pytest.raises(ValueError, match=str(MIN_EXTENT_M)):
        write_town(tmp_path / "town.osm", 0, 300, 1000)


def test_bounds_and_origin(tmp_path):
    origin = (-33.9, 151.2)
    write_town(tmp_path / "town.osm", 0, 800, 600, origin)
    box = osmium.io.Reader(str(tmp_path / "town.osm")).header().box()
    corners = [(box.bottom_left.lat, box.bottom_left.lon), (box.top_right.lat, box.top_right.lon)]
    x, y = Projection(*origin).forward(*np.transpose(corners))
    assert np.allclose([x, y], [[-400, 400], [-300, 300]], atol=0.1)


@pytest.mark.parametrize("third", range(3))
def test_every_part_of_the_town_holds_every_common_thing(town, third):
    x0 = (third / 3 - 0.5) * SIZE_M[0]
    part = shapely.box(x0, -SIZE_M[1] / 2, x0 + SIZE_M[0] / 3, SIZE_M[1] / 2)
    found = set()
    for geometry, tags, *_ in town.nodes + town.ways + town.areas:
        if part.intersects(geometry):
            found |= {*tags, *tags.values()}
    rare = {"cycleway", "steps", "primary", "secondary", "tertiary", "service", "pedestrian", "wood", "bridge", "park"}
    assert THINGS - rare <= found


def test_all_things_occur(town):
    everything = [tags for _, tags, *_ in town.nodes + town.ways + town.areas] + town.relations
    values = {v for tags in everything for v in tags.values()}
    keys = {k for tags in everything for k in tags}
    assert values | keys >= THINGS | {"river", "pond", "name", "oneway", "lanes", "width"}
    assert keys >= {"building:part", "min_height"}


def test_underground_things_say_so(town):
    ways = [tags for _, tags in town.ways]
    assert any(t.get("railway") == "subway" and t.get("tunnel") == "yes" and t["layer"] == "-1" for t in ways)
    assert any(t.get("highway") == "footway" and t.get("tunnel") == "yes" and t["layer"] == "-1" for t in ways)
    assert any(t.get("location") == "underground" for _, t, _ in town.areas)


def test_streets_share_nodes_and_form_one_network(town):
    drivable = {"primary", "secondary", "tertiary", "residential", "unclassified", "service"}
    kinds = [tags.get("highway") for _, tags in town.ways]
    ways = [set(refs) for refs, kind in zip(town.way_nodes, kinds, strict=True) if kind in drivable]
    reached, rest = ways[0], ways[1:]
    while joined := [way for way in rest if way & reached]:
        reached, rest = reached.union(*joined), [way for way in rest if not way & reached]
    assert len(rest) < 0.1 * len(ways)


def test_river_is_crossed_on_bridges_only(town):
    river = next(g for g, t, _ in town.areas if t.get("water") == "river")
    crossing = [t for g, t in town.ways if "highway" in t and g.intersects(river)]
    assert len(crossing) > 3
    assert all(t.get("bridge") == "yes" and t.get("layer") == "1" for t in crossing)


def test_every_area_assembles(town):
    closed = sum(refs[0] == refs[-1] for refs, (_, tags) in zip(town.way_nodes, town.ways, strict=True) if tags)
    from_ways = sum(from_way for *_, from_way in town.areas)
    assert from_ways == closed
    assert len(town.areas) - from_ways == len(town.relations)
    assert all(g.is_valid for g, *_ in town.areas)


def test_courtyards_are_relations_with_a_hole(town):
    assert any("building" in tags for tags in town.relations)
    assert any(len(part.interiors) for g, _ in town.buildings for part in g.geoms)


def test_buildings_are_many_and_of_many_heights(town):
    assert len(town.buildings) > 500
    tags = [t for _, t in town.buildings]
    heights = np.array([float(t["height"].removesuffix(" m")) for t in tags if "height" in t])
    assert heights.min() >= 4
    assert heights.max() <= 60
    assert np.subtract(*np.percentile(heights, [90, 10])) > 12
    assert any(t["height"].endswith(" m") for t in tags if "height" in t)
    assert any("building:levels" in t for t in tags)
    assert any("height" not in t and "building:levels" not in t for t in tags)


def test_buildings_stand_clear_of_each_other_roads_water_and_rail(town):
    footprints = np.array([g for g, _ in town.buildings])
    tree = shapely.STRtree(footprints)
    i, j = tree.query(footprints, "intersects")
    overlap = shapely.area(shapely.intersection(footprints[i[i < j]], footprints[j[i < j]]))
    assert overlap.max() < SLIVER_M2
    assert tree.query(town.roads, "dwithin", 1.9).size == 0
    barred = [g for g, t, _ in town.areas if t.get("natural") == "water" or t.get("landuse") == "railway"]
    i, j = tree.query(barred, "intersects")
    assert all(barred[a].intersection(footprints[b]).area < SLIVER_M2 for a, b in zip(i, j, strict=True))


def test_trees_stand_beside_roads_and_buildings(town):
    trees = np.array([g for g, t in town.nodes if t.get("natural") == "tree"])
    assert len(trees) > 500
    obstacles = [*town.roads, *(g for g, _ in town.buildings)]
    assert shapely.STRtree(obstacles).query(trees, "within").shape[1] < 0.005 * len(trees)
