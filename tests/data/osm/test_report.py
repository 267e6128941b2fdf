"""What the terminal shows of a built map."""

from data.osm.report import summary_of
from utils.classes import CLASSES

INFO = {
    "bounds": [-1200.0, -300.0, 1300.0, 400.0], "points": 1234567, "seconds": 12.6,
    "elements": {"buildings": 1500, "building parts": 40, "trees": 7, "bridges": 3, "roads_primary": 21, "forest": 2},
    "height_from": {"default": 50, "levels": 250, "height": 700}, "building_volumes": 1000,
    "roofs": {"flat": 990, "gabled": 0, "dome": 10}, "roofs_drawn_flat": {"onion": 3},
    "raised_parts": {"above the ground": 1234, "with nothing below": 2}, "points_by_class": {"roads_primary": 345678, "water": 99},
    "repaired": 16, "dropped": {"underground": 5, "water that does not close": 1}, "refused_values": {"height": 4},
}  # fmt: skip


def test_every_number_is_told():
    lines = summary_of(INFO).splitlines()
    assert lines[0] == "2.5 × 0.7 km, 1,234,567 points, 13 s"
    assert "1,500 buildings and 40 parts make 1,000 volumes; 95.0 % have a real height" in lines[1]
    assert "(700 by height, 250 by levels, 50 by default); roofs: 990 flat, 10 dome" in lines[1]
    assert lines[1].endswith("10 dome; drawn flat: 3 onion; 1,234 parts begin above the ground, 2 with nothing below them")
    assert lines[2].split() == "7 trees, 3 ways on bridges".split()
    assert [line.split() for line in lines[3:-1]] == [
        ["class", "elements", "points"], ["buildings", "1,500", "0"], ["forest", "2", "0"], ["roads_primary", "21", "345,678"],
        ["water", "99"]]  # fmt: skip
    assert lines[-1].strip() == ("repaired: 16 polygons; dropped: 5 underground, 1 water that does not close; "
                                 "unparsable values: 4 height")  # fmt: skip


def test_columns_are_aligned():
    table = summary_of(INFO).splitlines()[3:-1]
    assert len({len(line) for line in table}) == 1


def test_nothing_to_tell():
    empty = INFO | {"elements": {}, "height_from": {"default": 0, "levels": 0, "height": 0}, "building_volumes": 0, "roofs": {},
                    "roofs_drawn_flat": {}, "points_by_class": {}, "repaired": 0, "dropped": {}, "refused_values": {}}  # fmt: skip
    text = summary_of(empty)
    assert "0 buildings and 0 parts make 0 volumes; 0.0 % have a real height" in text and "roofs: none" in text
    assert text.endswith("repaired: 0 polygons; dropped: none; unparsable values: none")
    assert not any(c.name in text for c in CLASSES if c.name != "buildings")


def test_a_real_summary_names_every_class_of_the_map(west_village):
    text = summary_of(west_village.info | {"seconds": 1.0})
    assert all(name in text for name in west_village.info["points_by_class"])
