"""The map of lower Manhattan: real towers, heights, bridges, trees and shores. One file, so that one process builds the map."""

import csv
import re

import numpy as np
import osmium
import pandas as pd
import pytest
import shapely

from data.surfaces import DECK_M_PER_LEVEL
from tests.data.osm.scenes import class_at
from utils.classes import INDEX

WET = {"Hudson": (40.7150, -74.0250), "Hudson, north": (40.7270, -74.0200), "Bay": (40.6970, -74.0250),
       "Buttermilk Channel": (40.6960, -74.0100),
       "East River": (40.7035, -73.9970), "under the Brooklyn Bridge": (40.7058, -73.9955),
       "East River, north": (40.7100, -73.9760)}  # fmt: skip
DRY = {"Wall Street": (40.7069, -74.0113), "City Hall Park": (40.7130, -74.0064), "Castle Clinton": (40.7033, -74.0170),
       "Battery Park City": (40.7117, -74.0158), "Tribeca": (40.7195, -74.0089), "Chinatown": (40.7158, -73.9970),
       "SoHo": (40.7240, -74.0000),
       "Lower East Side": (40.7180, -73.9880), "East River Park": (40.7170, -73.9755), "Brooklyn": (40.6990, -73.9850),
       "World Trade Center": (40.7115, -74.0134), "Washington Square": (40.7290, -73.9975)}  # fmt: skip


class RealBuildings:
    """Outlines that state a height, read and chosen without the code under test: no parts, no other building and no shaped roof at
    them, above ground and in one piece."""

    def __init__(self, path, projection):
        outlines, everything = {}, []
        processor = osmium.FileProcessor(str(path)).with_locations().with_filter(osmium.filter.KeyFilter("building", "building:part"))
        for way in processor.with_filter(osmium.filter.EntityFilter(osmium.osm.WAY)):
            if way.is_closed() and len(way.nodes) > 3:
                lat, lon = zip(*((n.lat, n.lon) for n in way.nodes), strict=True)
                polygon = shapely.Polygon(np.column_stack(projection.forward(lat, lon)))
                everything.append(polygon)
                outlines[way.id] = polygon, dict(way.tags)
        tree = shapely.STRtree(everything)
        self.chosen = {}
        for number, (polygon, tags) in sorted(outlines.items()):
            plain = "building" in tags and re.fullmatch(r"\d+(\.\d+)?", tags.get("height", "")) and "building:part" not in tags
            if not plain or tags.keys() & {"min_height", "building:min_level", "layer", "location", "roof:shape", "roof:height"}:
                continue
            inner = polygon.buffer(-1.0)
            if polygon.is_valid and inner.area > 600 and len(tree.query(inner, "intersects")) == 1:
                self.chosen[number] = inner, float(tags["height"])


def test_heights_of_fifty_real_buildings_are_those_of_their_tags(lower_manhattan, shared_data):
    real = RealBuildings(shared_data / "osm/lower-manhattan.osm.pbf", lower_manhattan.projection).chosen
    ids = list(real)[:: len(real) // 50][:50]
    assert len(ids) == 50
    with open(lower_manhattan.path / "buildings.csv") as file:
        tops = {int(row["id"]): float(row["top_m"]) for row in csv.DictReader(file) if row["part"] == "0"}
    assert {i: tops[i] for i in ids} == {i: pytest.approx(real[i][1], abs=1e-3) for i in ids}
    built = np.asarray(lower_manhattan.points)[lower_manhattan.classes == INDEX["buildings"]]
    spots = shapely.points(built[:, :2])
    tree = shapely.STRtree(spots)
    for i in ids:
        inside = tree.query(real[i][0], "contains")
        assert len(inside) > 5 and built[inside, 2].max() == pytest.approx(real[i][1], abs=1e-3), i
        assert built[inside, 2].min() == pytest.approx(real[i][1], abs=1e-3), i  # a roof, and nothing under it


def test_one_world_trade_center_in_the_cloud(lower_manhattan):
    built = np.asarray(lower_manhattan.points)[lower_manhattan.classes == INDEX["buildings"]]
    x, y = lower_manhattan.projection.forward(40.7130, -74.0132)
    near = np.hypot(built[:, 0] - x, built[:, 1] - y) < 60
    assert 415 < built[near, 2].max() <= 541 and built[:, 2].max() == built[near, 2].max()


def test_real_bridges_are_raised_and_the_river_runs_below(lower_manhattan):
    x, y = lower_manhattan.projection.forward(40.7058, -73.9963)  # the middle of the Brooklyn Bridge
    points = np.asarray(lower_manhattan.points)
    near = np.hypot(points[:, 0] - x, points[:, 1] - y) < 60
    levels = points[near & np.isin(lower_manhattan.classes, [INDEX[n] for n in ("roads_trunk", "roads_primary", "roads_secondary")]), 2]
    assert len(levels) > 10 and (levels > 0).all() and (levels % DECK_M_PER_LEVEL == 0).all()
    assert (points[near & (lower_manhattan.classes == INDEX["water"]), 2] == 0).all()
    assert lower_manhattan.info["elements"]["bridges"] > 100


def test_a_real_summary_says_what_was_dropped_and_why(lower_manhattan):
    info = lower_manhattan.info
    assert 600 < info["dropped"]["underground"] < 900 and 10 <= info["repaired"] <= 60
    # 140 of them are buildings and lawns that the extract cuts off at its edge.
    assert 100 < info["dropped"]["rings that do not close"] < 200 and info["dropped"].get("water that does not close", 0) < 4
    assert sum(info["refused_values"].values()) < 50
    assert sum(info["roofs"].values()) == sum(info["height_from"].values()) == info["building_volumes"]
    assert info["height_from"]["height"] > 0.95 * info["building_volumes"]
    assert min(info["roofs"][shape] for shape in ("gabled", "hipped", "pyramidal", "dome")) > 10


def test_real_towers(lower_manhattan):
    table = pd.read_csv(lower_manhattan.path / "buildings.csv")
    assert (table.top_m > table.bottom_m).all() and (table.bottom_m >= 0).all() and (table.area_m2 > 0.5).all()
    x, y = lower_manhattan.projection.forward(40.7130, -74.0132)
    highest = table.loc[table.top_m.idxmax()]
    assert highest.top_m == 541.0 and np.hypot(highest.x - x, highest.y - y) < 30  # One World Trade Center with its spire
    assert table.id[table.part == 0].nunique() >= 9_350
    raised = lower_manhattan.info["raised_parts"]
    assert raised["above the ground"] > 1_000 and raised["with nothing below"] <= 2


def test_real_trees_and_relations_of_a_large_extract(lower_manhattan):
    elements = lower_manhattan.info["elements"]
    assert 11_000 < elements["trees"] < 12_500
    assert elements["buildings"] >= 9_500 and elements["building parts"] > 3_000
    buildings = np.loadtxt(lower_manhattan.path / "buildings.csv", delimiter=",", skiprows=1, usecols=0, dtype=np.int64)
    assert len(np.unique(buildings[buildings < 0])) > 50


def test_lower_manhattan_lies_between_its_rivers(lower_manhattan):
    assert {name: class_at(lower_manhattan, *spot) for name, spot in WET.items()} == dict.fromkeys(WET, INDEX["water"])
    assert INDEX["water"] not in {class_at(lower_manhattan, *spot) for spot in DRY.values()}
    x0, y0, x1, y1 = lower_manhattan.info["bounds"]
    share = (lower_manhattan.ground == INDEX["water"]).mean()
    assert 0.30 < share < 0.42  # of 5.3 km × 3.9 km
    density = lower_manhattan.info["points_by_class"]["water"] / (0.02 * share * (x1 - x0) * (y1 - y0))
    assert 0.95 < density < 1.05
