"""Reading extracts: what is refused and how, what becomes what, and a real one against its own tags."""

import numpy as np
import osmium
import pytest
import shapely

from data.osm.classes import INDEX
from data.osm.extract import LANE_WIDTH_M, read_extract
from data.osm.heights import DEFAULT_HEIGHT_M
from utils.errors import InputError


def assert_refused(path, *words):
    with pytest.raises(InputError) as caught:
        read_extract(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert all(word in message for word in words)


def test_missing_file(tmp_path):
    assert_refused(tmp_path / "no.osm.pbf", "no such extract")


def test_a_folder(tmp_path):
    assert_refused(tmp_path, "no such extract")


def test_truncated_pbf(tmp_path, shared_data):
    whole = (shared_data / "osm/west-village.osm.pbf").read_bytes()
    (tmp_path / "half.osm.pbf").write_bytes(whole[: len(whole) // 2])
    assert_refused(tmp_path / "half.osm.pbf", "truncated")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_xml(tmp_path, small_extract, share):
    whole = small_extract.read_bytes()
    (tmp_path / "part.osm").write_bytes(whole[: int(share * len(whole))])
    assert_refused(tmp_path / "part.osm", "truncated")


def test_truncated_gzip(tmp_path, new_extract):
    extract = new_extract(100, 100)
    for x in range(-90, 90, 5):
        extract.box(x, 0, x + 4, 10, {"building": "yes"})
    path = extract.write(tmp_path / "part.osm.gz")
    path.write_bytes(path.read_bytes()[:-200])
    assert_refused(path, "truncated")


@pytest.mark.parametrize("name", ["text.osm", "text.osm.pbf", "text.osm.gz", "text.osm.bz2", "text.txt"])
def test_a_text_file_is_no_extract(tmp_path, name):
    (tmp_path / name).write_text("id,lat,lon\n1,2,3\n")
    assert_refused(tmp_path / name)


def test_empty_file(tmp_path):
    (tmp_path / "empty.osm").touch()
    assert_refused(tmp_path / "empty.osm")


def test_no_building_above_ground(tmp_path, new_extract):
    extract = new_extract(100, 100)
    extract.way([(-90, 0), (90, 0)], {"highway": "residential"})
    extract.box(0, 0, 10, 10, {"building": "no"})
    extract.box(20, 0, 30, 10, {"building": "yes", "layer": "-1"})
    assert_refused(extract.write(tmp_path / "bare.osm"), "no building")


def test_courtyard_stays_open(tmp_path, new_extract):
    extract = new_extract(100, 100)
    ring, hole = extract.box(-20, -20, 20, 20), extract.box(-10, -10, 10, 10)
    relation = extract.multipolygon(ring, hole, {"building": "yes", "height": "12"})
    features = read_extract(extract.write(tmp_path / "court.osm"))
    assert features.building_ids.tolist() == [-relation]
    expected = shapely.box(-20, -20, 20, 20).difference(shapely.box(-10, -10, 10, 10))
    assert features.buildings[0].symmetric_difference(expected).area < 2
    assert features.building_extent_m.tolist() == [[0, 12]]


def test_elements_become_what_their_tags_say(tmp_path, new_extract):
    extract = new_extract(200, 200)
    house = extract.box(0, 0, 10, 10, {"building": "house"})
    part = extract.box(0, 0, 5, 10, {"building:part": "yes", "height": "9", "min_height": "3"})
    extract.box(50, 0, 60, 10, {"building": "yes", "layer": "-2"})
    extract.box(-50, -50, -20, -20, {"highway": "pedestrian"})  # a loop of road, no plaza
    extract.box(-50, 20, -20, 50, {"highway": "pedestrian", "area": "yes"})
    extract.way([(-100, 100), (100, 100)], {"highway": "primary", "width": "20"})
    extract.way([(-100, 120), (100, 120)], {"highway": "residential", "lanes": "3"})
    extract.way([(-100, 140), (100, 140)], {"highway": "footway"})
    extract.way([(-100, 160), (100, 160)], {"highway": "footway", "tunnel": "yes"})
    extract.way([(-100, -100), (100, -100)], {"natural": "coastline"})
    extract.way([(-100, -150), (100, -150)], {"waterway": "stream"})
    extract.node((30, 30), {"natural": "tree", "height": "14 m", "diameter_crown": "6"})
    extract.node((40, 30), {"natural": "tree"})
    features = read_extract(extract.write(tmp_path / "mixed.osm.gz"))
    assert dict(zip(features.building_ids.tolist(), features.building_is_part.tolist(), strict=True)) == {house: False, part: True}
    order = np.argsort(features.building_ids)
    assert features.building_extent_m[order].tolist() == [[0, DEFAULT_HEIGHT_M], [3, 9]]
    assert features.building_tagged[order].tolist() == [False, True]
    assert features.surface_classes.tolist() == [INDEX["areas_pedestrian"]]
    assert shapely.box(-50, 20, -20, 50).symmetric_difference(features.surfaces[0]).area < 1.5
    ways = sorted(zip(features.way_classes.tolist(), features.way_widths_m.tolist(), strict=True))
    assert ways == sorted([(INDEX["roads_primary"], 20.0), (INDEX["roads_residential"], 3 * LANE_WIDTH_M),
                           (INDEX["paths_footway"], 0.0), (INDEX["roads_pedestrian"], 0.0)])  # fmt: skip
    assert len(features.coastlines) == 1
    assert np.allclose(shapely.get_coordinates(features.coastlines), [(-100, -100), (100, -100)], atol=0.02)
    assert np.allclose(features.trees, [(30, 30, 14, 6), (40, 30, 0, 0)], atol=0.02)
    assert features.dropped["underground"] == 3  # the tunnel, and the building as a way and as an area
    assert np.allclose(features.bounds, (-200, -200, 200, 200), atol=0.05)


def test_tree_rows_become_trees_along_the_line(tmp_path, new_extract):
    extract = new_extract(100, 100)
    extract.box(0, 0, 10, 10, {"building": "yes"})
    extract.way([(-60, 20), (60, 20)], {"natural": "tree_row"})
    trees = read_extract(extract.write(tmp_path / "row.osm")).trees
    assert 12 <= len(trees) <= 20
    assert np.allclose(trees[:, 1], 20, atol=0.05)
    assert trees[:, 0].min() < -50 and trees[:, 0].max() > 45


def test_given_origin_moves_the_coordinates(small_extract):
    centre = read_extract(small_extract)
    lat, lon = centre.projection.inverse(100.0, -50.0)
    moved = read_extract(small_extract, (float(lat), float(lon)))
    shift = shapely.get_coordinates(moved.buildings) - shapely.get_coordinates(centre.buildings)
    assert np.allclose(shift, (-100, 50), atol=0.01)
    assert np.allclose(np.subtract(moved.bounds, centre.bounds), (-100, 50, -100, 50), atol=0.05)


class RealTags:
    """Tags of every building and tree of an extract, read without the code under test."""

    def __init__(self, path):
        keys = osmium.filter.KeyFilter("building", "building:part", "natural")
        self.buildings, self.trees = {}, 0
        for element in osmium.FileProcessor(str(path)).with_filter(keys):
            tags = dict(element.tags)
            if element.is_node():
                self.trees += tags.get("natural") == "tree"
            elif "building" in tags or "building:part" in tags:
                self.buildings[element.id if element.is_way() else -element.id] = tags


@pytest.fixture(scope="module")
def real_tags(shared_data):
    return RealTags(shared_data / "osm/lower-manhattan.osm.pbf")


def test_heights_of_real_buildings_are_those_of_their_tags(lower_manhattan, real_tags):
    extent = dict(zip(lower_manhattan.building_ids.tolist(), lower_manhattan.building_extent_m.tolist(), strict=True))
    plain = {i: t for i, t in real_tags.buildings.items() if i in extent and t.get("height", "").replace(".", "", 1).isdigit()}
    plain = {i: t for i, t in plain.items() if float(t["height"]) > 0 and "min_height" not in t and "building:min_level" not in t}
    assert len(plain) > 11_000
    assert all(extent[i] == [0, float(t["height"])] for i, t in plain.items())
    raised = {i: t for i, t in real_tags.buildings.items() if i in extent and {"height", "min_height"} <= t.keys()}
    raised = {i: (float(t["min_height"]), float(t["height"])) for i, t in raised.items() if t["min_height"].replace(".", "", 1).isdigit()}
    raised = {i: (low, high) for i, (low, high) in raised.items() if low < high}
    assert len(raised) > 100
    assert all(tuple(extent[i]) == edges for i, edges in raised.items())


def test_real_relations_are_read_too(lower_manhattan, real_tags):
    multipolygons = {i for i, t in real_tags.buildings.items() if i < 0 and t.get("type") == "multipolygon"}
    assert len(multipolygons & set(lower_manhattan.building_ids.tolist())) > 0.9 * len(multipolygons) > 50
    assert sum(len(p.interiors) for p in shapely.get_parts(lower_manhattan.buildings)) > 50


def test_no_underground_building_gets_through(lower_manhattan, real_tags):
    below = {i for i, t in real_tags.buildings.items() if t.get("layer", "0").startswith("-") or t.get("location") == "underground"}
    assert len(below) >= 4
    assert not below & set(lower_manhattan.building_ids.tolist())


def test_real_trees(lower_manhattan, real_tags):
    assert real_tags.trees > 11_000
    assert real_tags.trees <= len(lower_manhattan.trees) < 1.1 * real_tags.trees


def test_real_buildings_are_valid_and_inside(lower_manhattan):
    assert shapely.is_valid(lower_manhattan.buildings).all()
    x0, y0, x1, y1 = shapely.total_bounds(lower_manhattan.buildings)
    assert x1 - x0 < 6500 and y1 - y0 < 5000
