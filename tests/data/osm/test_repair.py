"""Areas whose rings cross, touch or do not close: what is repaired, and what is dropped and counted."""

import pytest
import shapely

from utils.classes import INDEX

BOW = [(0, 0), (30, 30), (30, 0), (0, 30), (0, 0)]
BOW_AREA = 2 * 30 * 15 / 2
FIGURE_EIGHT = [(0, 0), (20, 0), (20, 20), (40, 20), (40, 40), (20, 40), (20, 20), (0, 20), (0, 0)]  # meets itself in a corner


@pytest.fixture
def extract(new_extract):
    """With a sound building far from everything else."""
    made = new_extract(200, 200)
    made.box(-190, -190, -180, -180, {"building": "yes"})
    return made


@pytest.fixture
def result(read, extract, tmp_path):
    """Reads the extract: surfaces or buildings by id, and the counts."""

    def call(kind="surface"):
        reading = read(extract.write(tmp_path / "drawn.osm"))
        polygons, records = reading.all(kind)
        assert shapely.is_valid(polygons).all()
        return dict(zip(records["id"].tolist(), polygons, strict=True)), reading.summary

    return call


def counts(summary):
    return summary.repaired, {reason: n for reason, n in summary.dropped.items() if n}


@pytest.mark.parametrize(("ring", "area"), [(BOW, BOW_AREA), (FIGURE_EIGHT, 800)])
def test_a_way_that_crosses_or_touches_itself(extract, result, ring, area):
    number = extract.way(ring, {"building": "yes", "height": "10"})
    buildings, summary = result("building")
    assert buildings[number].area == pytest.approx(area, abs=1.5)
    assert counts(summary) in ((1, {}), (0, {})) and summary.elements["buildings"] == 2
    assert ring is FIGURE_EIGHT or summary.repaired == 1


def test_several_broken_ways_are_counted_once_each(extract, result):
    for i in range(3):
        extract.way([(x + 50 * i, y) for x, y in BOW], {"leisure": "park"})
    surfaces, summary = result()
    assert len(surfaces) == 3 and counts(summary) == (3, {})
    assert sum(p.area for p in surfaces.values()) == pytest.approx(3 * BOW_AREA, abs=3)


def test_a_way_without_area(extract, result):
    extract.way([(0, 0), (40, 0), (40, 40), (40, 0), (0, 0)], {"leisure": "park"})  # there and back
    surfaces, summary = result()
    assert not surfaces and sum(summary.dropped.values()) == 1 and summary.elements["vegetation"] == 0


def test_a_relation_whose_ring_crosses_itself(extract, result):
    number = extract.relation([(extract.way(BOW), "outer")], {"leisure": "park"})
    surfaces, summary = result()
    assert surfaces[-number].area == pytest.approx(BOW_AREA, abs=1.5) and counts(summary) == (1, {})


def test_a_relation_whose_hole_touches_its_ring(extract, result):
    outer, inner = extract.box(0, 0, 40, 40), extract.way([(0, 10), (20, 20), (0, 30), (0, 10)])
    number = extract.relation([(outer, "outer"), (inner, "inner")], {"leisure": "park"})
    surfaces, _ = result()
    assert surfaces[-number].area == pytest.approx(1600 - 200, abs=2)


def test_a_relation_whose_hole_reaches_out_of_its_ring(extract, result):
    outer, inner = extract.box(0, 0, 40, 40), extract.box(30, 10, 60, 30)
    number = extract.relation([(outer, "outer"), (inner, "inner")], {"building": "yes"})
    buildings, summary = result("building")
    assert buildings[-number].area == pytest.approx(1600 - 200, abs=2) and counts(summary) == (1, {})
    assert not buildings[-number].contains(shapely.Point(35, 20))


def test_outer_rings_that_overlap(extract, result):
    members = [(extract.box(0, 0, 40, 40), "outer"), (extract.box(20, 0, 60, 40), "outer")]
    number = extract.relation(members, {"leisure": "park"})
    surfaces, summary = result()
    assert surfaces[-number].area == pytest.approx(2400, abs=3) and counts(summary) == (1, {})


@pytest.mark.parametrize("tags", [{"leisure": "park"}, {"building": "yes"}])
def test_a_relation_that_does_not_close_is_dropped_and_counted(extract, result, tags):
    extract.relation([(extract.way([(0, 0), (40, 0), (40, 40)]), "outer")], tags)
    surfaces, summary = result()
    assert not surfaces and counts(summary) == (0, {"rings that do not close": 1})
    assert summary.elements["buildings"] == 1


@pytest.mark.parametrize("missing", [[0], [1], [0, 1]])
def test_a_relation_that_lacks_members_is_dropped_and_counted(extract, result, missing):
    halves = [extract.way([(0, 0), (40, 0), (40, 40)]), extract.way([(40, 40), (0, 40), (0, 0)])]
    extract.relation([(half, "outer") for half in halves], {"leisure": "park"})
    for i in missing:
        extract.drop(halves[i])
    surfaces, summary = result()
    assert not surfaces and counts(summary) == (0, {"rings that do not close": 1})


def test_rings_that_are_whole_stay_where_others_are_missing(extract, result):
    outer, court, lost = extract.box(0, 0, 40, 40), extract.box(10, 10, 20, 20), extract.box(100, 0, 140, 40)
    number = extract.relation([(lost, "outer"), (outer, "outer"), (court, "inner")], {"leisure": "park"})
    extract.drop(lost)
    surfaces, summary = result()
    assert surfaces[-number].area == pytest.approx(1500, abs=2) and counts(summary) == (1, {})


def test_a_lake_of_touching_rings_is_water(extract, result):
    """Two outer rings share a side: libosmium refuses them."""
    members = [(extract.box(0, 0, 40, 40), "outer"), (extract.box(40, 0, 80, 40), "outer")]
    number = extract.relation(members, {"natural": "water"})
    surfaces, summary = result()
    assert surfaces[-number].area == pytest.approx(3200, abs=3)
    assert summary.elements["water"] == 1 and not +summary.dropped


def test_relations_below_the_ground_or_of_other_types_are_none_of_our_business(extract, result):
    lost = extract.box(0, 0, 40, 40)
    for tags in ({"building": "yes", "location": "underground"}, {"leisure": "park", "type": "site"}, {"boundary": "administrative"}):
        extract.relation([(lost, "outer")], tags)
    extract.drop(lost)
    surfaces, summary = result()
    assert not surfaces and counts(summary) == (0, {"underground": 1})


def test_broken_water_keeps_its_class(extract, result, read, tmp_path):
    number = extract.way(BOW, {"natural": "water"})
    reading = read(extract.write(tmp_path / "water.osm"))
    _, records = reading.all("surface")
    assert records["id"].tolist() == [number] and records["semantic"].tolist() == [INDEX["water"]]
    assert reading.summary.elements["water"] == 1 and reading.summary.repaired == 1


RINGS = {
    "two spots": [(0, 0), (1, 0), (0, 0), (1, 0), (0, 0)],
    "there and back": [(0, 0), (20, 0), (20, 20), (20, 0), (0, 0)],
    "a line": [(0, 0), (0, 10), (0, 20), (0, 0)],
    "doubled": [(0, 0)] * 3 + [(20, 0)] * 2 + [(0, 0)],
}


@pytest.mark.parametrize("name", RINGS)
@pytest.mark.parametrize("tags", [{"building": "yes"}, {"building:part": "yes"}, {"landuse": "forest"}])
def test_rings_without_area_are_dropped_and_counted(extract, result, name, tags):
    extract.way(RINGS[name], tags)
    extract.relation([(extract.way(RINGS[name]), "outer")], tags)
    extract.relation([(extract.way(RINGS[name][:2]), "outer"), (extract.way(RINGS[name][1:]), "outer")], tags)
    buildings, summary = result("building")
    assert len(buildings) == 1 and sum(summary.dropped.values()) == 3
