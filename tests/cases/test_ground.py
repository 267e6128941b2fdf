"""Water and ground: the reduced cases, and a second of each kind."""

import csv
import json

import numpy as np
import pytest

from data.city import CityMap
from data.osm.build import build_map
from utils.classes import BARE, INDEX

HOUSE = {"building": "yes"}


@pytest.fixture
def built(new_extract, tmp_path):
    """Builds the map of an extract of 400 m × 400 m that a function fills."""

    def call(fill) -> CityMap:
        extract = new_extract(200, 200)
        fill(extract)
        build_map(extract.write(tmp_path / "input.osm"), tmp_path / "city", processes=1)
        return CityMap(tmp_path / "city")

    return call


def ground_at(city: CityMap, x: float, y: float) -> int:
    column, row = city.georeference.to_pixels(np.array([[x, y]])).astype(int)[0]
    return int(city.ground[row, column])


def points_of(city_or_info, name: str) -> int:
    info = city_or_info if isinstance(city_or_info, dict) else city_or_info.info
    return info["points_by_class"].get(name, 0)


def case_info(run_case, tmp_path, name):
    (result,) = run_case(name)
    assert result.returncode == 0, result.stderr
    return json.loads((tmp_path / "OUT/map/map.json").read_text())


def test_bay_island(run_case, tmp_path):
    info = case_info(run_case, tmp_path, "bay_island")
    assert 60_000 < points_of(info, "water") <= 64_000
    city = CityMap(tmp_path / "OUT")
    with (tmp_path / "OUT/map/buildings.csv").open() as file:
        house = next(csv.DictReader(file))
    assert ground_at(city, float(house["x"]) + 30, float(house["y"])) == BARE  # beside the house


def test_a_strait_a_sea_and_a_bay_without_coastline_are_no_water(built):
    def fill(extract):
        for tags in ({"natural": "bay"}, {"natural": "strait"}, {"place": "sea"}, {"place": "ocean"}):
            extract.box(-300, -300, 300, 300, tags)
        extract.box(0, 0, 10, 10, HOUSE)

    assert points_of(built(fill), "water") == 0


@pytest.mark.parametrize("island", [{"place": "islet"}, {"place": "island", "natural": "wood"}, {"natural": "coastline"}])
def test_islands_drawn_on_top_of_a_lake_stay_dry(built, island):
    def fill(extract):
        extract.box(-150, -150, 150, 150, {"natural": "water"})
        extract.box(-50, -50, 50, 50, island)
        extract.box(-10, -10, 10, 10, {"natural": "water"})  # a pond on the island
        extract.box(20, 20, 30, 30, HOUSE)

    city = built(fill)
    assert ground_at(city, 100, 100) == ground_at(city, 0, 0) == INDEX["water"]
    assert ground_at(city, 35, 0) == (INDEX["forest"] if "natural" in island and island["natural"] == "wood" else BARE)
    if "place" in island:
        assert points_of(city, "water") == pytest.approx(0.2 * (300**2 - 100**2 + 20**2), rel=0.01)


def test_islands_of_a_clipped_river_and_inner_members_stay_dry(built):
    def fill(extract):
        bank, far = extract.way([(0, -400), (0, 400)]), extract.way([(-900, 400), (-900, -400)])
        inner = extract.box(-150, -20, -110, 20)
        extract.relation([(bank, "outer"), (far, "outer"), (inner, "inner")], {"natural": "water"})
        extract.drop(far)
        extract.box(-80, -20, -40, 20, {"place": "islet"})
        for y in range(-180, 180, 20):
            extract.box(50, y, 60, y + 10, HOUSE)

    city = built(fill)
    assert ground_at(city, -95, 0) == INDEX["water"]
    assert ground_at(city, -130, 0) == ground_at(city, -60, 0) == ground_at(city, 30, 0) == BARE


def test_layer_minus_one(run_case, tmp_path):
    info = case_info(run_case, tmp_path, "layer_minus_one")
    assert info["elements"]["roads_primary"] == 2 and not info["dropped"]


def test_below_others_or_below_the_ground(built):
    """Areas, a railway and a house under a viaduct are drawn; what lies underground is not, whatever its layer."""

    def fill(extract):
        below = {"layer": "-1"}
        extract.box(-150, -150, -100, -100, {"leisure": "park", **below})
        extract.way([(-150, 0), (150, 0)], {"railway": "rail", **below})
        extract.box(50, 50, 70, 70, {"building": "yes", "height": "6", **below})
        extract.way([(-150, 40), (150, 40)], {"highway": "footway", "covered": "yes"})
        for y, tags in enumerate(({"tunnel": "yes"}, {"tunnel": "passage"}, {"covered": "yes", **below}, {"location": "underground"},
                                  {"indoor": "yes"}, {"level": "-1", **below})):  # fmt: skip
            extract.way([(-150, 100 + 10 * y), (150, 100 + 10 * y)], {"highway": "primary", **tags})

    info = built(fill).info
    counts = {"buildings": 1, "paths_footway": 1, "railways": 1, "vegetation": 1}
    assert info["elements"] == counts and info["dropped"] == {"underground": 6}


def test_wide_steps(run_case, tmp_path):
    assert points_of(case_info(run_case, tmp_path, "wide_steps"), "paths_steps") == pytest.approx(23, abs=1)


def test_wide_flights_in_a_row_and_a_path_at_their_foot(built):
    def fill(extract):
        steps = {"highway": "steps", "width": "29"}
        for x in (0, 4, 8):
            extract.way([(x, 0), (x + 4, 0)], steps)
        extract.way([(12, 0), (80, 0)], {"highway": "footway"})
        extract.box(100, 100, 110, 110, HOUSE)

    city = built(fill)
    # The path covers nothing of the steps but its lap: steps lie on top.
    assert points_of(city, "paths_steps") == pytest.approx(0.2 * 12 * 29, abs=1.5)
    assert ground_at(city, -2, 0) == ground_at(city, 14, 10) == BARE and ground_at(city, 11, 13) == INDEX["paths_steps"]


def test_a_road_of_many_ways_is_a_road_of_one(built, new_extract, tmp_path):
    bend = [(-150, 0), (-50, 0), (0, 60), (0, 61), (90, 60), (150, -100)]
    areas = []
    for cut in (False, True):
        extract = new_extract(200, 200)
        ways = [bend[i : i + 2] for i in range(len(bend) - 1)] if cut else [bend]
        for way in ways:
            extract.way(way, {"highway": "primary"})
        extract.box(100, 100, 110, 110, HOUSE)
        build_map(extract.write(tmp_path / f"{cut}.osm"), tmp_path / str(cut), processes=1)
        areas.append(CityMap(tmp_path / str(cut)).ground == INDEX["roads_primary"])
    assert (areas[0] != areas[1]).sum() < 0.003 * areas[0].sum()
