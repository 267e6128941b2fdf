"""How high cameras stand: on the ground or on the bridge of the street that they look along."""

import math

import numpy as np
import pytest

from data.city import CityMap, Streets
from data.osm.build import build_map
from data.render.floors import AGREE_DEG, REACH_M, Floors
from data.surfaces import DECK_M_PER_LEVEL


def floors(*lines):
    """From (level, corners) of each street."""
    xy = np.array([p for _, corners in lines for p in corners], float).reshape(-1, 2)
    start = np.cumsum([0, *(len(corners) for _, corners in lines)])
    return Floors(Streets(xy, start, np.array([level for level, _ in lines], np.int8)))


GROUND, BRIDGE = (0, [(-100, 0), (100, 0)]), (2, [(0, -100), (0, 0), (0, 100)])  # west-east, and south-north above it


def test_crossing_streets_are_told_apart_by_heading():
    crossing = floors(GROUND, BRIDGE)
    for heading in (0, 180, 360, 10, -10, 170, 200):
        assert crossing.height_m(0, 0, heading) == 2 * DECK_M_PER_LEVEL
    for heading in (90, 270, -90, 75, 105, 290):
        assert crossing.height_m(0, 0, heading) == 0
    assert floors(BRIDGE, GROUND).height_m(0, 0, 0) == 2 * DECK_M_PER_LEVEL  # whatever the order


@pytest.mark.parametrize("bearing", [0, 20, 45, 90, 135, 160, 179])
def test_a_heading_agrees_up_to_a_limit_in_both_directions(bearing):
    along = np.array([math.sin(math.radians(bearing)), math.cos(math.radians(bearing))])
    bridge = floors((1, [-50 * along, 50 * along]))
    for turn in (0, AGREE_DEG - 1, 1 - AGREE_DEG, 180, 180 + AGREE_DEG - 1, 181 - AGREE_DEG, 360):
        assert bridge.height_m(0, 0, bearing + turn) == DECK_M_PER_LEVEL
    for turn in (AGREE_DEG + 1, -AGREE_DEG - 1, 90, 270, 179 - AGREE_DEG):
        assert bridge.height_m(0, 0, bearing + turn) == 0


def test_only_streets_within_reach_count():
    bridge = floors(BRIDGE)
    assert bridge.height_m(REACH_M - 0.1, 50, 0) == bridge.height_m(0.1 - REACH_M, -50, 0) == 2 * DECK_M_PER_LEVEL
    assert bridge.height_m(REACH_M + 0.1, 50, 0) == bridge.height_m(-REACH_M - 0.1, 50, 0) == 0
    assert bridge.height_m(0, 100 + REACH_M + 0.1, 0) == 0  # beyond its end


def test_the_nearest_of_those_that_agree():
    parallel = floors((0, [(0, -100), (0, 100)]), (1, [(10, -100), (10, 100)]), (3, [(-100, 1), (100, 1)]))
    assert parallel.height_m(4, 0, 0) == 0 and parallel.height_m(6, 0, 0) == DECK_M_PER_LEVEL
    assert parallel.height_m(4, 0, 90) == 3 * DECK_M_PER_LEVEL


def test_no_segment_joins_one_street_to_the_next():
    apart = floors((1, [(0, 0), (50, 0)]), (2, [(100, 0), (150, 0)]), (0, [(150, 50), (200, 50)]))
    assert apart.height_m(75, 0, 90) == 0
    assert apart.height_m(25, 0, 90) == DECK_M_PER_LEVEL and apart.height_m(125, 0, 90) == 2 * DECK_M_PER_LEVEL
    assert apart.height_m(175, 50, 90) == 0


def test_no_streets():
    assert Floors(Streets(np.zeros((0, 2)), np.zeros(1, int), np.zeros(0, np.int8))).height_m(0, 0, 0) == 0


def test_a_map_with_a_bridge(new_extract, tmp_path):
    extract = new_extract(200, 200)
    extract.box(-150, -150, -130, -130, {"building": "yes"})
    extract.way([(-200, 0), (-60, 0)], {"highway": "primary"})
    extract.way([(-60, 0), (60, 0)], {"highway": "primary", "bridge": "yes", "layer": "2"})
    extract.way([(60, 0), (200, 0)], {"highway": "primary"})
    extract.way([(0, -200), (0, 200)], {"highway": "residential"})
    build_map(extract.write(tmp_path / "bridge.osm"), tmp_path, density=0.01, metres_per_pixel=2.0)
    found = Floors(CityMap(tmp_path).streets)
    assert found.height_m(0, 0, 90) == found.height_m(40, 1, 270) == 10 and found.height_m(0, 0, 0) == 0
    assert found.height_m(100, 0, 90) == found.height_m(0, 50, 0) == 0
