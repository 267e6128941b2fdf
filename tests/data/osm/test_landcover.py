"""Land cover: a partition in which the upper layer wins; coastlines closed against the extract's edge."""

import json

import numpy as np
import pytest
import shapely

from data.osm.buildings import build_prisms
from data.osm.classes import CLASSES, INDEX
from data.osm.extract import read_extract
from data.osm.landcover import EDGE_GAP_M, land_cover, water_from_coastlines
from data.projection import Projection

KINDS = {"vegetation": ("landuse", "grass"), "forest": ("natural", "wood"),
         "water": ("natural", "water"), "areas_service": ("amenity", "parking"), "areas_pedestrian": ("place", "square"),
         "areas_railways": ("landuse", "railway")}  # fmt: skip
BOX = (-500.0, -500.0, 500.0, 500.0)


def assert_partition(polygons, footprints, bounds):
    """Areas add up to the area of the union, and nothing lies under a building or outside the bounds."""
    assert shapely.area(polygons).sum() == pytest.approx(shapely.unary_union(polygons).area, rel=1e-6)
    a, b = shapely.STRtree(polygons).query(footprints, "intersects")
    assert shapely.area(shapely.intersection(footprints[a], polygons[b])).max(initial=0) < 1e-6
    assert shapely.box(*bounds).buffer(1e-6).contains(shapely.unary_union(polygons))


def test_the_upper_layer_wins_everywhere(tmp_path, new_extract):
    """Against a naive look at every polygon, at random points of random overlapping rectangles and a road."""
    rng = np.random.default_rng(1)
    extract, drawn = new_extract(300, 300), []
    for name in list(KINDS) * 4:
        (x0, x1), (y0, y1) = np.sort(rng.uniform(-320, 320, (2, 2)), axis=1)
        extract.box(x0, y0, x1, y1, dict([KINDS[name]]))
        drawn.append((shapely.box(x0, y0, x1, y1), INDEX[name]))
    extract.way([(-250, -200), (100, 220)], {"highway": "secondary", "width": "12"})
    drawn.append((shapely.LineString([(-250, -200), (100, 220)]).buffer(6), INDEX["roads_secondary"]))
    extract.box(-50, -50, 50, 50, {"building": "yes"})
    features = read_extract(extract.write(tmp_path / "layers.osm"))
    footprints = build_prisms(features).on_ground
    polygons, classes = land_cover(features, footprints)
    assert_partition(polygons, footprints, features.bounds)

    for point in shapely.points(rng.uniform(-299, 299, (1500, 2))):
        if any(p.boundary.distance(point) < 0.5 for p, _ in drawn) or footprints[0].boundary.distance(point) < 0.5:
            continue  # corners are rounded to a centimetre, round road ends to a few
        above = [c for p, c in drawn if p.contains(point) and not footprints[0].contains(point)]
        expected = {max(above, key=lambda c: CLASSES[c].layer)} if above else set()
        assert {int(c) for p, c in zip(polygons, classes, strict=True) if p.contains(point)} == expected


def test_ways_are_as_wide_as_they_say(tmp_path, new_extract):
    extract = new_extract(300, 300)
    extract.box(200, 200, 210, 210, {"building": "yes"})
    extract.way([(-300, 0), (300, 0)], {"highway": "residential"})
    extract.way([(-300, 100), (300, 100)], {"highway": "primary", "width": "20"})
    features = read_extract(extract.write(tmp_path / "widths.osm"))
    polygons, classes = land_cover(features, features.buildings)
    area = {name: shapely.area(polygons[classes == INDEX[name]]).sum() for name in ("roads_residential", "roads_primary")}
    widths = {"roads_residential": 600 * CLASSES[INDEX["roads_residential"]].width_m, "roads_primary": 600 * 20}
    assert area == pytest.approx(widths, rel=0.002)


def test_real_land_cover_is_a_partition(shared_data):
    features = read_extract(shared_data / "osm/west-village.osm.pbf")
    prisms = build_prisms(features)
    polygons, classes = land_cover(features, prisms.on_ground)
    assert len(polygons) == len(classes) > 100
    assert_partition(polygons, prisms.on_ground, features.bounds)


def water(lines, bounds=BOX):
    return shapely.unary_union(water_from_coastlines(np.array([shapely.LineString(c) for c in lines], dtype=object), bounds))


def same(water, expected):
    return water.symmetric_difference(expected).area < 1e-3


NORTHWARD = [(0, -500), (40, 0), (0, 500)]
EAST = shapely.Polygon([*NORTHWARD, (500, 500), (500, -500)])
WEST = shapely.box(*BOX).difference(EAST)


def test_no_coastline_no_water():
    assert water([]).is_empty


def test_water_is_on_the_right():
    assert same(water([NORTHWARD]), EAST)
    assert same(water([NORTHWARD[::-1]]), WEST)


def test_pieces_of_a_shore_join():
    assert same(water([NORTHWARD[1:], NORTHWARD[:2]]), EAST)


def test_a_shore_that_leaves_the_extract_is_cut():
    assert same(water([[(0, -900), *NORTHWARD, (0, 900)]]), EAST)


def test_a_shore_that_ends_a_little_inside_goes_on_to_the_edge():
    short = [(0, -500 + 0.9 * EDGE_GAP_M), (0, 500 - 0.5 * EDGE_GAP_M)]
    assert same(water([short]), shapely.box(0, -500, 500, 500))


def test_a_shore_with_a_gap_says_nothing():
    assert water([[(0, -500), (0, 0)]]).is_empty
    assert water([[(0, -500), (0, -100)], [(0, 100), (0, 500)]], (-500, -500, 500, 500)).is_empty


def test_islands_and_lakes():
    ring = [(-50, -50), (50, -50), (50, 50), (-50, 50), (-50, -50)]  # counter-clockwise: land inside
    assert same(water([ring]), shapely.box(*BOX).difference(shapely.box(-50, -50, 50, 50)))
    assert same(water([ring[::-1]]), shapely.box(-50, -50, 50, 50))


def test_an_island_in_a_strait():
    shores = [[(-200, -500), (-200, 500)], [(200, 500), (200, -500)]]  # water on the right of both: between them
    island = [(-50, -50), (50, -50), (50, 50), (-50, 50), (-50, -50)]
    expected = shapely.box(-200, -500, 200, 500).difference(shapely.box(-50, -50, 50, 50))
    assert same(water([*shores, island]), expected)


def test_real_rivers(lower_manhattan):
    sea = shapely.unary_union(water_from_coastlines(lower_manhattan.coastlines, lower_manhattan.bounds))
    places = {"Hudson": (40.7150, -74.0250, True), "East River": (40.7035, -73.9970, True),
              "Bay": (40.6970, -74.0250, True),
              "Wall Street": (40.7066, -74.0090, False), "City Hall": (40.7127, -74.0060, False),
              "Brooklyn": (40.6990, -73.9850, False)}  # fmt: skip
    for name, (lat, lon, wet) in places.items():
        x, y = lower_manhattan.projection.forward(lat, lon)
        assert sea.contains(shapely.Point(x, y)) == wet, name


def test_real_map_has_the_river_in_the_west(west_village):
    assert json.loads((west_village.path / "map.json").read_text())["points_by_class"]["water"] > 1000
    x, y = Projection(*west_village.info["origin"]).forward([40.7365, 40.7365], [-74.0130, -74.0040])
    columns, rows = west_village.georeference.to_pixels(np.column_stack([x, y])).astype(int).T
    hudson, land = west_village.ground[rows, columns]
    assert hudson == INDEX["water"] and land != INDEX["water"]
