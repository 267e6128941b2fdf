"""Shores that the map's edge cuts: coastlines by their direction, relations of rivers by where the buildings stand."""

import numpy as np
import osmium
import pytest
import shapely

from data.city import CityMap
from data.osm.build import build_map
from data.osm.water import (
    DRY_SHARE,
    EDGE_GAP_M,
    ClippedShore,
    coastal_water,
    islands_of_coastlines,
    keep_dry,
    water_of_relations,
)
from tests.data.osm.scenes import class_at
from utils.classes import INDEX

BOX = (-500.0, -500.0, 500.0, 500.0)
NORTHWARD = [(0, -500), (40, 0), (0, 500)]
EAST = shapely.Polygon([*NORTHWARD, (500, 500), (500, -500)])
WEST = shapely.box(*BOX).difference(EAST)
RING = [(-50, -50), (50, -50), (50, 50), (-50, 50), (-50, -50)]  # counter-clockwise: land inside
ISLAND = shapely.Polygon(RING)


def lines_of(lines):
    return np.array([shapely.LineString(line) for line in lines], dtype=object)


def coast(lines, bounds=BOX):
    return shapely.unary_union(coastal_water(lines_of(lines), bounds))


def same(water, expected):
    return water.symmetric_difference(expected).area < 1e-3


def test_no_coastline_no_water():
    assert coast([]).is_empty


def test_water_is_on_the_right():
    assert same(coast([NORTHWARD]), EAST)
    assert same(coast([NORTHWARD[::-1]]), WEST)


def test_pieces_of_a_shore_join():
    assert same(coast([NORTHWARD[1:], NORTHWARD[:2]]), EAST)


def test_a_shore_that_leaves_the_map_is_cut():
    assert same(coast([[(0, -900), *NORTHWARD, (0, 900)]]), EAST)


def test_a_shore_beyond_the_map_says_nothing():
    assert coast([[(600, -500), (600, 500)]]).is_empty


def test_a_shore_that_ends_a_little_inside_goes_on_to_the_edge():
    short = [(0, -500 + 0.9 * EDGE_GAP_M), (0, 500 - 0.5 * EDGE_GAP_M)]
    assert same(coast([short]), shapely.box(0, -500, 500, 500))


def test_a_shore_with_a_gap_says_nothing():
    assert coast([[(0, -500), (0, 0)]]).is_empty
    assert coast([[(0, -500), (0, -100)], [(0, 100), (0, 500)]]).is_empty


def test_islands_and_lakes():
    assert same(coast([RING]), shapely.box(*BOX).difference(ISLAND))
    assert same(coast([RING[::-1]]), ISLAND)


STRAIT = [[(-200, -500), (-200, 500)], [(200, 500), (200, -500)]]  # water on the right of both: between them


def test_an_island_in_a_strait():
    assert same(coast([*STRAIT, RING]), shapely.box(-200, -500, 200, 500).difference(ISLAND))


def polygons_of(*polygons):
    return np.array(polygons, dtype=object)


def test_coastlines_with_land_inside_are_islands():
    assert same(islands_of_coastlines(lines_of([RING[:3], RING[2:], NORTHWARD]))[0], ISLAND)
    assert len(islands_of_coastlines(lines_of([RING[::-1], NORTHWARD]))) == len(islands_of_coastlines(lines_of([]))) == 0


def test_islands_are_cut_out_of_the_water_around_them():
    lake, far = shapely.box(-200, -200, 200, 200), shapely.box(300, 300, 400, 400)
    second = shapely.box(100, 100, 120, 120)
    assert [w.area for w in keep_dry(polygons_of(lake, far), polygons_of(ISLAND, second))] == [400**2 - 100**2 - 20**2, 100**2]
    assert keep_dry(polygons_of(ISLAND), polygons_of(ISLAND))[0].is_empty
    both = keep_dry(polygons_of(shapely.MultiPolygon([lake, far])), polygons_of(ISLAND))[0]
    assert both.area == 400**2 + 100**2 - 100**2


def test_a_lake_on_an_island_stays():
    sea, pond = shapely.box(-200, -200, 200, 200), shapely.box(-20, -20, 20, 20)
    wet = keep_dry(polygons_of(sea, pond), polygons_of(ISLAND))
    assert wet[0].area == 400**2 - 100**2 and wet[1].equals(pond)


def test_water_with_the_island_cut_out_and_water_beside_it_stay():
    holed, beside = shapely.box(-200, -200, 200, 200).difference(ISLAND), shapely.box(40, -50, 200, 50)
    wet = keep_dry(polygons_of(holed, beside), polygons_of(ISLAND))
    assert wet[0].equals(holed) and wet[1].equals(beside)


def test_an_island_larger_than_the_hole_that_the_lake_leaves_for_it_is_dry():
    holed = shapely.box(-200, -200, 200, 200).difference(shapely.box(-40, -40, 40, 40))
    assert keep_dry(polygons_of(holed), polygons_of(ISLAND))[0].area == 400**2 - 100**2


def test_nothing_to_keep_dry():
    none = polygons_of()
    assert len(keep_dry(none, none)) == len(keep_dry(none, polygons_of(ISLAND))) == 0
    assert keep_dry(polygons_of(ISLAND), none)[0].equals(ISLAND)


def rivers(shores, built, bounds=BOX):
    """Water of relations given as lists of lines, and how many remained undecided."""
    shores = [ClippedShore(i, lines_of(lines)) for i, lines in enumerate(shores)]
    water, undecided = water_of_relations(shores, bounds, np.array(built).reshape(-1, 2))
    return shapely.unary_union(water), undecided


def grid(x0, y0, x1, y1, step=40):
    x, y = np.meshgrid(np.arange(x0 + step / 2, x1, step), np.arange(y0 + step / 2, y1, step))
    return np.column_stack([x.ravel(), y.ravel()])


@pytest.mark.parametrize("direction", [1, -1])
def test_buildings_tell_which_side_of_a_bank_is_water(direction):
    bank = NORTHWARD[::direction]  # a relation's lines run in any direction
    water, undecided = rivers([[bank]], grid(100, -500, 500, 500))
    assert same(water, WEST) and undecided == 0
    water, undecided = rivers([[bank]], grid(-500, -500, -100, 500))
    assert same(water, EAST) and undecided == 0


def test_a_river_between_two_banks_with_islands():
    built = np.concatenate([grid(-500, -500, -200, 500), grid(200, -500, 500, 500)])
    water, undecided = rivers([[*STRAIT, RING]], built)
    assert same(water, shapely.box(-200, -500, 200, 500).difference(ISLAND)) and undecided == 0
    on_the_island = np.concatenate([built, grid(-50, -50, 50, 50, 10)])
    assert same(rivers([[*STRAIT, RING]], on_the_island)[0], water)
    assert same(rivers([[RING, *STRAIT[::-1]]], built[::-1])[0], water)  # whatever the order


def test_banks_cut_a_little_inside_the_map():
    bank = [(0, -500 + 0.9 * EDGE_GAP_M), (0, 500 - 0.9 * EDGE_GAP_M)]
    water, undecided = rivers([[bank]], grid(100, -500, 500, 500))
    assert same(water, shapely.box(-500, -500, 0, 500)) and undecided == 0


def test_a_few_buildings_on_piers_do_not_move_the_shore():
    built, piers = grid(0, -500, 500, 500, 20), grid(-400, -500, -300, 500, 20)
    few = int(DRY_SHARE * len(built))
    assert DRY_SHARE == 0.02 and few == 25
    bank = [[(0, -500), (0, 500)]]
    assert same(rivers([bank], np.concatenate([built, piers[:few]]))[0], shapely.box(-500, -500, 0, 500))
    assert rivers([bank], np.concatenate([built, piers[: few + 1]]))[1] == 1


@pytest.mark.parametrize(
    ("lines", "built"),
    [
        ([NORTHWARD], []),  # no buildings at all
        ([NORTHWARD], grid(-500, -500, 500, 500)),  # on both sides
        ([[(0, -500), (0, 0)]], grid(100, -500, 500, 500)),  # ends inside the map
        ([[(-200, -200), (200, 200)]], grid(100, -500, 500, 0)),  # both ends do
        ([[(600, -500), (600, 500)]], grid(-500, -500, 500, 500)),  # beyond the map
        ([], grid(-500, -500, 500, 500)),
    ],
)
def test_what_cannot_be_decided_is_dropped_and_counted(lines, built):
    water, undecided = rivers([lines], built)
    assert water.is_empty and undecided == 1


def test_what_can_be_decided_is_not_held_up():
    ends_inside, bank = [[(0, -500), (0, 0)]], [[(-500, 300), (500, 300)]]
    for shores in ([ends_inside, bank], [bank, ends_inside]):
        water, undecided = rivers(shores, grid(-500, -500, 500, 250))
        assert same(water, shapely.box(-500, 300, 500, 500)) and undecided == 1


def test_each_river_for_itself():
    built = grid(-100, -500, 100, 500)
    water, undecided = rivers([[[(-200, -500), (-200, 500)]], [[(200, -500), (200, 500)]]], built)
    assert same(water, shapely.box(-500, -500, -200, 500).union(shapely.box(200, -500, 500, 500))) and undecided == 0


class River:
    """An extract of 600 m × 600 m with houses in the east, or wherever they are wanted."""

    def __init__(self, extract, houses=(60, -280, 280, 280)):
        self.extract = extract
        x0, y0, x1, y1 = houses
        for x in range(x0, x1 - 10, 30):
            for y in range(y0, y1 - 10, 40):
                extract.box(x, y, x + 10, y + 10, {"building": "yes"})

    def relation(self, *banks, islands=(), tags=None):
        members = [(self.extract.way(b), "outer") for b in banks] + [(self.extract.way(i), "inner") for i in islands]
        return members, self.extract.relation(members, tags or {"natural": "water"})


def water_of(reading):
    polygons, records = reading.all("surface")
    return shapely.unary_union(polygons[records["semantic"] == INDEX["water"]])


BANK, FAR_BANK = [(0, -400), (20, 0), (0, 400)], [(-900, 400), (-900, -400)]
EAST_PART = shapely.Polygon([(0, -400), (20, 0), (0, 400), (300, 400), (300, -400)])


@pytest.mark.parametrize("islands", [False, True])
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("tags", [{"natural": "water"}, {"waterway": "riverbank"}])
def test_a_river_whose_far_bank_lies_beyond_the_extract(read, new_extract, tmp_path, islands, lost, tags):
    """Its ways are whole, or the extract does not hold the far one at all."""
    river = River(new_extract(300, 300))
    island = [(-150, -50), (-100, -50), (-100, 50), (-150, 50), (-150, -50)]
    members, _ = river.relation(BANK, FAR_BANK, islands=[island] if islands else [], tags=tags)
    if lost:
        river.extract.drop(members[1][0])
    reading = read(river.extract.write(tmp_path / "river.osm"))
    expected = shapely.box(-300, -300, 300, 300).difference(EAST_PART)
    expected = expected.difference(shapely.Polygon(island)) if islands else expected
    assert water_of(reading).symmetric_difference(expected).area < 30
    assert reading.summary.elements["water"] == 1 and not +reading.summary.dropped


def test_the_same_bank_with_the_houses_in_the_west(read, new_extract, tmp_path):
    river = River(new_extract(300, 300), (-280, -280, -40, 280))
    river.relation(BANK, [(900, 400), (900, -400)])
    water = water_of(read(river.extract.write(tmp_path / "river.osm")))
    assert water.symmetric_difference(EAST_PART.intersection(shapely.box(-300, -300, 300, 300))).area < 30


def test_a_pond_that_closes_does_not_stand_for_the_river_of_its_relation(read, new_extract, tmp_path):
    river = River(new_extract(300, 300))
    pond = [(25, -290), (50, -290), (50, -200), (25, -200), (25, -290)]
    river.relation(BANK, pond)
    water = water_of(read(river.extract.write(tmp_path / "river.osm")))
    expected = shapely.box(-300, -300, 300, 300).difference(EAST_PART).union(shapely.Polygon(pond))
    assert water.symmetric_difference(expected).area < 30


def test_undecidable_rivers_are_counted_and_leave_land(read, new_extract, tmp_path):
    river = River(new_extract(300, 300), (-280, -280, 280, 280))
    river.relation(BANK, FAR_BANK)
    river.relation([(-100, -300), (-100, -10)], [(-130, -300), (-130, -10)])  # ends inside
    reading = read(river.extract.write(tmp_path / "river.osm"))
    assert water_of(reading).is_empty
    assert reading.summary.dropped["water that does not close"] == 2 and reading.summary.elements["water"] == 0


def test_islands_without_their_river_are_no_lakes(read, new_extract, tmp_path):
    river = River(new_extract(300, 300))
    members, _ = river.relation(BANK, islands=[[(-150, -50), (-100, -50), (-100, 50), (-150, 50), (-150, -50)]])
    river.extract.drop(members[0][0])
    reading = read(river.extract.write(tmp_path / "river.osm"))
    assert water_of(reading).is_empty and reading.summary.dropped["rings that do not close"] == 1


def test_a_lake_within_the_map_needs_no_buildings(read, new_extract, tmp_path):
    river = River(new_extract(300, 300), (-280, -280, 280, 280))
    lake = [(0, 0), (90, 0), (90, 90), (0, 90), (0, 0)]
    river.relation(lake, islands=[[(30, 30), (60, 30), (60, 60), (30, 60), (30, 30)]])
    assert water_of(read(river.extract.write(tmp_path / "lake.osm"))).area == pytest.approx(8100 - 900, abs=5)


def test_the_coast_of_an_extract(read, new_extract, tmp_path):
    for direction, expected in ((1, EAST_PART.intersection(shapely.box(-300, -300, 300, 300))),
                                (-1, shapely.box(-300, -300, 300, 300).difference(EAST_PART))):  # fmt: skip
        river = River(new_extract(300, 300))
        river.extract.way(BANK[::direction], {"natural": "coastline"})
        reading = read(river.extract.write(tmp_path / "coast.osm"))
        assert water_of(reading).symmetric_difference(expected).area < 30
        assert reading.summary.elements["coastlines"] == 1


HUDSON, VILLAGE = (40.7365, -74.0130), (40.7365, -74.0040)


def test_the_west_village_lies_on_the_hudson(west_village):
    assert class_at(west_village, *HUDSON) == INDEX["water"] != class_at(west_village, *VILLAGE)


@pytest.fixture
def without_coastline(shared_data, tmp_path):
    """Builds the west village without the tag, or without the ways themselves."""

    def build(keep_ways):
        source = shared_data / "osm/west-village.osm.pbf"
        with osmium.SimpleWriter(str(tmp_path / "dry.osm.pbf"), header=osmium.io.Reader(str(source)).header()) as writer:
            for element in osmium.FileProcessor(str(source)):
                if dict(element.tags).get("natural") != "coastline":
                    writer.add(element)
                elif keep_ways:
                    writer.add(element.replace(tags={}))
        build_map(tmp_path / "dry.osm.pbf", tmp_path / "city", density=0.02, metres_per_pixel=2.0)
        return CityMap(tmp_path / "city")

    return build


def test_a_riverbank_of_which_one_way_in_six_is_left_floods_the_hudson(without_coastline, west_village):
    """Relation 2389611 lists six ways; the extract holds the one that is the coastline, too."""
    city = without_coastline(keep_ways=True)
    assert class_at(city, *HUDSON) == INDEX["water"] != class_at(city, *VILLAGE)
    assert "coastlines" not in city.info["elements"] and "coastlines" in west_village.info["elements"]
    by_coastline = (west_village.ground == INDEX["water"]).mean()
    assert (city.ground == INDEX["water"]).mean() == pytest.approx(by_coastline, abs=0.004)


def test_a_riverbank_of_which_nothing_is_left_is_counted(without_coastline, west_village):
    city = without_coastline(keep_ways=False)
    assert class_at(city, *HUDSON) != INDEX["water"]
    lost, all_told = (c.info["dropped"].get("rings that do not close", 0) for c in (city, west_village))
    assert lost == all_told + 1
