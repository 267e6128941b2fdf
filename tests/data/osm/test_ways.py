"""Ways widened to surfaces: flat ends, and no notches where ways meet."""

import numpy as np
import pytest
import shapely

from data.osm.store import WAY
from data.osm.ways import LAP_M, NOTCH_M, widened
from utils.classes import INDEX

PATH, ROAD = INDEX["paths_footway"], INDEX["roads_residential"]


def surfaces_of(*ways):
    """Polygons and owners of ways given as (coordinates, width[, class[, level]])."""
    records = np.zeros(len(ways), WAY)
    for i, (_, width, *rest) in enumerate(ways):
        semantic, level = (*rest, *(ROAD, 0)[len(rest) :])
        records[i] = (i, semantic, level, width)
    return widened(np.array([shapely.LineString(w[0]) for w in ways], dtype=object), records)


def union_of(*ways):
    return shapely.union_all(surfaces_of(*ways)[0])


@pytest.mark.parametrize("width", [2.0, 29.0])
def test_a_way_that_meets_none_is_its_length_times_its_width(width):
    polygons, way = surfaces_of(([(0, 0), (4, 0)], width))
    assert polygons[0].bounds == pytest.approx((-LAP_M, -width / 2, 4 + LAP_M, width / 2)) and way.tolist() == [0]


def test_pieces_in_line_make_one_band():
    whole, cut = union_of(([(0, 0), (40, 0)], 8)), surfaces_of(([(0, 0), (15, 0)], 8), ([(40, 0), (15, 0)], 8))[0]
    assert len(cut) == 2 and shapely.union_all(cut).symmetric_difference(whole).area < 1e-6


@pytest.mark.parametrize("turn_deg", [10, -45, 90, 135, -170])
@pytest.mark.parametrize("reverse", [1, -1])
def test_a_bend_between_two_ways_looks_as_a_bend_of_one(turn_deg, reverse):
    a = np.radians(turn_deg)
    corner = [(0, 0), (40, 0), (40 + 40 * np.cos(a), 40 * np.sin(a))]
    cut, one = union_of((corner[:2][::reverse], 8), (corner[1:], 8)), union_of((corner, 8))
    assert cut.symmetric_difference(one).area < 0.02 * 16 + 80 * LAP_M
    assert one.difference(cut).area < 0.3  # an arc of as many corners, but they lie elsewhere


def test_a_loop_closes():
    ring = [(0, 0), (20, 0), (20, 20), (0, 20), (0, 0)]
    assert union_of((ring, 4)).symmetric_difference(union_of(([*ring[2:], *ring[1:3]], 4))).area < 0.5


def test_a_joint_is_as_wide_as_the_narrower_way():
    """A path that leaves wide steps at an angle."""
    steps, path = ([(0, 0), (4, 0)], 29.0), ([(4, 0), (14, 10)], 2.0)
    polygons, way = surfaces_of(steps, (*path, PATH))
    assert way.tolist() == [0, 1, 1] and polygons[2].area < np.pi
    assert shapely.union_all(polygons).bounds[0] == pytest.approx(-LAP_M)


def test_what_other_ways_cover_needs_no_joint():
    through = [(0, -50), (0, 0), (0, 50)]
    assert len(surfaces_of((through, 8), ([(0, 0), (40, 0)], 8))[0]) == 2  # a T
    arms = [[(0, 0), end] for end in ((40, 0), (-40, 0), (0, 40), (0, -40))]
    assert len(surfaces_of(*((arm, 8) for arm in arms))[0]) == 4  # a crossing
    assert len(surfaces_of((through, 8), ([(-40, 0), (40, 0)], 8))[0]) == 2  # lines that cross without an end


def test_a_narrow_way_does_not_cover_the_notch_between_wide_ones():
    bend = ([(-40, 0), (0, 0)], 8), ([(0, 0), (0, 40)], 8)
    path = [(0, 0), (10, -10)], 1.6
    assert union_of(*bend).difference(union_of(*bend, path)).area < 1e-6
    assert (surfaces_of(*bend, path)[1] == [0, 1, 2, 0]).sum() >= 3


def test_a_joint_between_a_bridge_and_the_ground_lies_on_the_ground_and_between_classes_on_top():
    bridge, road = ([(0, 0), (40, 0)], 8.0, ROAD, 1), ([(40, 0), (60, 20)], 8.0, ROAD, 0)
    assert surfaces_of(bridge, road)[1].tolist() == [0, 1, 1] and surfaces_of(road, bridge)[1].tolist() == [0, 1, 0]
    for ways in ((road, (*bridge[:2], PATH)), ((*bridge[:2], PATH), road)):
        polygons, way = surfaces_of(*ways)
        assert ways[way[2]][2] == PATH


def test_a_bend_too_slight_to_show_gets_no_joint():
    ways = ([(0, 0), (40, 0)], 8.0), ([(40, 0), (80, 40 * 0.9 * NOTCH_M / 4)], 8.0)
    assert len(surfaces_of(*ways)[0]) == 2


def test_ways_without_length():
    assert surfaces_of(([(0, 0), (0, 0)], 8))[0][0].is_empty
    with_one = union_of(([(0, 0), (0, 0)], 8), ([(0, 0), (40, 0)], 8))
    assert with_one.area == pytest.approx(8 * 40, rel=0.001)
    polygons, way = widened(np.array([], dtype=object), np.zeros(0, WAY))
    assert len(polygons) == len(way) == 0


def test_a_joint_follows_from_its_ways_alone():
    """Whatever else is read with them: the tiles of a map read different ways."""
    rng = np.random.default_rng(0)
    nodes = rng.uniform(-100, 100, (12, 2))
    ways = [(nodes[rng.permutation(12)[:3]], rng.uniform(1, 20), int(rng.choice([PATH, ROAD]))) for _ in range(30)]
    near = [w for w in ways if shapely.LineString(w[0]).dwithin(shapely.Point(nodes[0]), 40)]
    window = shapely.Point(nodes[0]).buffer(5)
    assert len(near) < len(ways)
    all_of, of_near = ([p.wkb for p in surfaces_of(*of)[0] if p.intersects(window)] for of in (ways, near))
    assert all_of == of_near
