"""Heights from tags."""

import pytest

from data.osm.heights import DEFAULT_HEIGHT_M, METRES_PER_LEVEL, SMALL_HEIGHT_M, building_extent, parse_length_m


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("12", 12), ("12.5 m", 12.5), ("12,5", 12.5), (" 7m ", 7), ("3 metres", 3), ("0", 0), ("3 M", 3),
        ("40 ft", 12.192), ("40'", 12.192), ("40 feet", 12.192), ("5'10\"", 1.778), ("5' 10''", 1.778), ("5'10.5\"", 1.7907),
    ],
)  # fmt: skip
def test_lengths(text, metres):
    assert parse_length_m(text) == pytest.approx(metres, abs=1e-9)


@pytest.mark.parametrize("text", [None, "", "tall", "-3", "12 km", "3-4", "12;15", "1.2.3", "m", "'", "~20", "12 m high", "nan", "inf"])
def test_what_is_no_length_gives_none(text):
    assert parse_length_m(text) is None


@pytest.mark.parametrize(
    ("tags", "bottom", "top", "tagged"),
    [
        ({"building": "yes", "height": "25 m"}, 0, 25, True),
        ({"building": "yes", "height": "25", "building:levels": "3"}, 0, 25, True),
        ({"building": "yes", "height": "high", "building:levels": "3"}, 0, 3 * METRES_PER_LEVEL, True),
        ({"building": "yes", "building:levels": "3", "roof:levels": "1"}, 0, 4 * METRES_PER_LEVEL, True),
        ({"building": "yes", "building:levels": "2,5"}, 0, 2.5 * METRES_PER_LEVEL, True),
        ({"building": "yes", "building:levels": "many"}, 0, DEFAULT_HEIGHT_M, False),
        ({"building": "yes", "building:levels": "-1"}, 0, DEFAULT_HEIGHT_M, False),
        ({"building": "yes", "building:levels": "5000"}, 0, DEFAULT_HEIGHT_M, False),
        ({"building": "yes", "building:levels": "nan"}, 0, DEFAULT_HEIGHT_M, False),
        ({"building": "yes", "height": "0"}, 0, DEFAULT_HEIGHT_M, False),
        ({"building": "yes"}, 0, DEFAULT_HEIGHT_M, False),
        ({"building": "garage"}, 0, SMALL_HEIGHT_M, False),
        ({"building:part": "roof"}, 0, SMALL_HEIGHT_M, False),
        ({"building:part": "yes", "height": "50", "min_height": "20"}, 20, 50, True),
        ({"building:part": "yes", "height": "50", "building:min_level": "4"}, 4 * METRES_PER_LEVEL, 50, True),
        ({"building:part": "yes", "height": "50", "min_height": "6", "building:min_level": "4"}, 6, 50, True),
        ({"building:part": "yes", "height": "50", "min_height": "60"}, 0, 50, True),
    ],
)
def test_extent_of_a_building(tags, bottom, top, tagged):
    assert building_extent(tags) == (pytest.approx(bottom), pytest.approx(top), tagged)
