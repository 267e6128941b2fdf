"""Heights from tags."""

import math

import numpy as np
import osmium
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.osm.heights import (
    BY_HEIGHT,
    BY_LEVELS,
    LOW_HEIGHT_M,
    METRES_PER_LEVEL,
    NO_HEIGHT,
    building_extent,
    default_height_m,
    parse_count,
    parse_length_m,
)
from data.osm.roofs import (
    CONE,
    DOME,
    FLAT,
    GABLED,
    GAMBREL,
    HALF_HIPPED,
    HIPPED,
    MANSARD,
    PYRAMIDAL,
    ROUND,
    SALTBOX,
    SKILLION,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("12", 12), ("12.5", 12.5), ("12.5 m", 12.5), ("12,5", 12.5), ("12,50", 12.5), ("1.234", 1.234), ("12m", 12), (" 7m ", 7),
        ("3 metres", 3), ("3 meter", 3), ("0", 0), ("3 M", 3), ("40 ft", 12.192), ("40ft", 12.192), ("40'", 12.192), ("40.5'", 12.3444),
        ("40 feet", 12.192), ("5'10\"", 1.778), ("5' 10\"", 1.778), ("5' 10''", 1.778), ("5'10.5\"", 1.7907), ("0'6\"", 0.1524),
    ],
)  # fmt: skip
def test_lengths(text, metres):
    assert parse_length_m(text) == pytest.approx(metres, abs=1e-9)


@pytest.mark.parametrize("text", [
    None, "", " ", "tall", "-3", "-5 m", "12 km", "12 cm", "12 mm", "3-4", "12;14", "12; 14", "~12", ">20", "1.2.3", "1,2,3", "m", "'",
    "12 m high", "+5", "nan", "inf", "1e3", "0x10", "1_000", "12.", ".5", ",5", "12,", "1,234", "1.234,5", "1,234.5", "1 234", "12 12",
    "١٢", "１２", "1²", "12 mſ", "5'12\"", "5'10", "5.5'10\"", "5'10\"3", "10\"", "5'-10\"", "40 m'", "12\n13", "9" * 400, "12 m m",
])  # fmt: skip
def test_what_is_no_length_gives_none(text):
    assert parse_length_m(text) is None
    assert parse_count(text) is None


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("3", 3), (" 12 ", 12), ("3.5", 3.5), ("3,5", 3.5), ("299", 299)])
def test_counts(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["300", "5000", "3 m", "3'", "many", "-1", "1-2", "2;3"])
def test_what_is_no_count_gives_none(text):
    assert parse_count(text) is None


def naive_length_m(text):
    """Reads one character after the other; None for what it does not know."""
    text = text.strip()
    for unit, metres in (("feet", 0.3048), ("ft", 0.3048), ("'", 0.3048), ("m", 1.0), ("", 1.0)):
        if text.endswith(unit):
            number = text[: len(text) - len(unit)].rstrip()
            whole, point, decimals = number.partition("," if "," in number else ".")
            if not whole or len(whole) > 6 or any(c not in "0123456789" for c in whole + decimals) or bool(point) != bool(decimals):
                return None
            if point == "," and len(decimals) > 2:
                return None
            return (int(whole) + (int(decimals) / 10 ** len(decimals) if decimals else 0)) * metres
    return None


@given(st.text("0123.,' mfte-", max_size=8))
@example("12,5 ft")
@example("10,25")
@example("1,000")
def test_lengths_are_read_as_a_naive_reader_does(text):
    expected = naive_length_m(text)
    assert parse_length_m(text) == (None if expected is None else pytest.approx(expected, rel=1e-12))


@given(st.text(max_size=10))
def test_any_text_gives_a_finite_length_or_none(text):
    for value in (parse_length_m(text), parse_count(text)):
        assert value is None or (math.isfinite(value) and value >= 0 and any(c in "0123456789" for c in text))


@given(st.floats(0, 999), st.integers(0, 6), st.sampled_from([("", 1), (" m", 1), ("m", 1), (" ft", 0.3048), ("'", 0.3048)]))
def test_written_lengths_are_read_back(length, decimals, unit):
    text = f"{length:.{decimals}f}"
    assert parse_length_m(text + unit[0]) == pytest.approx(float(text) * unit[1], rel=1e-12)


@pytest.mark.parametrize(
    ("tags", "bottom", "top", "source", "refused"),
    [
        ({}, 0, NAN, NO_HEIGHT, ""),
        ({"height": "25 m"}, 0, 25, BY_HEIGHT, ""),
        ({"height": "25", "building:levels": "3"}, 0, 25, BY_HEIGHT, ""),
        ({"height": "25", "roof:levels": "2"}, 0, 25, BY_HEIGHT, ""),
        ({"height": "1000"}, 0, 1000, BY_HEIGHT, ""),
        ({"height": "1000.5"}, 0, NAN, NO_HEIGHT, "height"),
        ({"height": "0"}, 0, NAN, NO_HEIGHT, "height"),
        ({"height": "0", "building:levels": "2"}, 0, 6, BY_LEVELS, "height"),
        ({"height": "high", "building:levels": "3"}, 0, 9, BY_LEVELS, "height"),
        ({"building:height": "12", "est_height": "12"}, 0, NAN, NO_HEIGHT, ""),
        ({"building:levels": "2,5"}, 0, 7.5, BY_LEVELS, ""),
        ({"building:levels": "many"}, 0, NAN, NO_HEIGHT, "building:levels"),
        ({"building:levels": "5000"}, 0, NAN, NO_HEIGHT, "building:levels"),
        ({"building:levels": "0"}, 0, NAN, NO_HEIGHT, "building:levels"),
        ({"building:levels": "0", "roof:levels": "1"}, 0, 3, BY_LEVELS, ""),
        ({"building:levels": "3", "roof:levels": "1"}, 0, 12, BY_LEVELS, ""),
        ({"building:levels": "3", "roof:levels": "1", "roof:height": "4.5"}, 0, 13.5, BY_LEVELS, ""),
        ({"building:levels": "3", "roof:levels": "1", "roof:height": "steep"}, 0, 12, BY_LEVELS, "roof:height"),
        ({"building:levels": "3", "roof:levels": "x", "roof:height": "4.5"}, 0, 13.5, BY_LEVELS, "roof:levels"),
        ({"roof:height": "4.5"}, 0, NAN, NO_HEIGHT, ""),
        ({"height": "50", "min_height": "20"}, 20, 50, BY_HEIGHT, ""),
        ({"height": "50", "building:min_level": "4"}, 12, 50, BY_HEIGHT, ""),
        ({"height": "50", "min_height": "6", "building:min_level": "4"}, 6, 50, BY_HEIGHT, ""),
        ({"height": "50", "min_height": "0", "building:min_level": "4"}, 0, 50, BY_HEIGHT, ""),
        ({"height": "50", "min_height": "?", "building:min_level": "4"}, 12, 50, BY_HEIGHT, "min_height"),
        ({"height": "50", "min_height": "60"}, 0, 50, BY_HEIGHT, "min_height"),
        ({"height": "50", "min_height": "50"}, 0, 50, BY_HEIGHT, "min_height"),
        ({"height": "50", "building:min_level": "20"}, 0, 50, BY_HEIGHT, "building:min_level"),
        ({"building:levels": "5", "building:min_level": "3"}, 9, 15, BY_LEVELS, ""),
        ({"min_height": "4"}, 4, NAN, NO_HEIGHT, ""),
        ({"min_height": "4000"}, 0, NAN, NO_HEIGHT, "min_height"),
    ],
)
def test_extent_of_a_building(tags, bottom, top, source, refused):
    extent = building_extent({"building": "yes", **tags})
    assert extent[:3] == (pytest.approx(bottom), pytest.approx(top, nan_ok=True), source)
    assert " ".join(extent.refused) == refused
    assert (extent.roof_shape, extent.roof_height_m, extent.across) == (FLAT, 0, False)


@pytest.mark.parametrize(
    ("tags", "top", "roof", "refused"),
    [
        ({"height": "20"}, 20, NAN, ""),
        ({"height": "20", "roof:height": "4"}, 20, 4, ""),
        ({"height": "20", "roof:height": "0"}, 20, 0, ""),
        ({"height": "20", "roof:levels": "2"}, 20, 6, ""),
        ({"height": "20", "roof:levels": "2", "roof:height": "4"}, 20, 4, ""),
        ({"height": "20", "roof:levels": "2", "roof:height": "4 storeys"}, 20, 6, "roof:height"),
        ({"height": "20", "roof:height": "20"}, 20, 20, ""),
        ({"height": "12.3", "min_height": "10", "roof:height": "2.301"}, 12.3, 2.3, ""),  # within rounding
        ({"height": "20", "roof:height": "21"}, 20, 20, "roof:height"),
        ({"height": "20", "min_height": "15", "roof:levels": "2"}, 20, 5, "roof:levels"),
        ({"building:levels": "3"}, 9, NAN, ""),
        ({"building:levels": "3", "roof:height": "4"}, 13, 4, ""),
        ({"building:levels": "3", "roof:levels": "2"}, 15, 6, ""),
        ({"building:levels": "3", "roof:levels": "1", "building:min_level": "3"}, 12, 3, ""),  # the roof alone
        ({"building:levels": "0", "roof:height": "4"}, 4, 4, ""),
        ({"roof:height": "4"}, NAN, 4, ""),
    ],
)
def test_heights_of_roofs(tags, top, roof, refused):
    extent = building_extent({"building": "yes", "roof:shape": "gabled", **tags})
    assert extent.top_m == pytest.approx(top, nan_ok=True) and extent.roof_height_m == pytest.approx(roof, nan_ok=True)
    assert " ".join(extent.refused) == refused
    assert not extent.top_m - extent.roof_height_m < extent.bottom_m - 1e-9


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("flat", FLAT), ("gabled", GABLED), ("hipped", HIPPED), ("half-hipped", HALF_HIPPED), ("pyramidal", PYRAMIDAL), ("dome", DOME),
        ("cone", CONE), ("conical", CONE), ("skillion", SKILLION), ("lean_to", SKILLION), ("gambrel", GAMBREL), ("mansard", MANSARD),
        ("round", ROUND), ("saltbox", SALTBOX), (" Gabled", GABLED),
    ],
)  # fmt: skip
def test_roof_shapes(value, shape):
    extent = building_extent({"roof:shape": value, "height": "20", "roof:height": "4"})
    assert extent.roof_shape == shape and extent.top_m == 20 and extent.flat_for is None
    assert extent.roof_height_m == (0 if shape == FLAT else 4)


@pytest.mark.parametrize(("value", "name"), [
    ("onion", "onion"), ("sawtooth", "sawtooth"), ("anything", "other"), ("", "other"), ("x" * 99, "other"),
])  # fmt: skip
def test_other_shapes_are_flat_and_told_by_name(value, name):
    extent = building_extent({"roof:shape": value, "height": "20", "roof:height": "4"})
    assert (extent.roof_shape, extent.roof_height_m, extent.top_m, extent.flat_for) == (FLAT, 0, 20, name)
    assert building_extent({"height": "20"}).flat_for is None


@pytest.mark.parametrize(
    ("tags", "roof", "angle", "refused"),
    [
        ({"roof:levels": "0"}, NAN, 0, ""),  # no storey in the roof: nothing of its height
        ({"roof:levels": "0", "roof:height": "2"}, 2, 0, ""),
        ({"roof:levels": "0", "roof:angle": "30"}, NAN, 30, ""),
        ({"roof:angle": "30"}, NAN, 30, ""), ({"roof:angle": "30.5°"}, NAN, 30.5, ""), ({"roof:angle": "30,5 °"}, NAN, 30.5, ""),
        ({"roof:angle": "30", "roof:height": "2"}, 2, 0, ""), ({"roof:angle": "30", "roof:levels": "1"}, 3, 0, ""),
        ({"roof:angle": "0"}, NAN, 0, ""), ({"roof:angle": "-30"}, NAN, 0, "roof:angle"), ({"roof:angle": "89"}, NAN, 0, "roof:angle"),
        ({"roof:angle": "steep"}, NAN, 0, "roof:angle"), ({"roof:shape": "flat", "roof:angle": "30"}, 0, 0, ""),
    ],
)  # fmt: skip
def test_angles_of_roofs(tags, roof, angle, refused):
    extent = building_extent({"building:levels": "4", "roof:shape": "gabled", **tags})
    assert extent.roof_height_m == pytest.approx(roof, nan_ok=True) and extent.roof_angle_deg == angle
    assert " ".join(extent.refused) == refused
    assert extent.top_m == 12 + (roof if roof == roof else 0)


@pytest.mark.parametrize(("text", "direction"), [
    ("0", 0), ("90", 90), ("359.5", 359.5), ("360", 0), ("-90", 270), ("135°", 135), ("N", 0), ("ne", 45), ("SSW", 202.5), (" W ", 270),
    ("NNW", 337.5),
])  # fmt: skip
def test_directions(text, direction):
    extent = building_extent({"roof:shape": "skillion", "roof:direction": text})
    assert extent.direction_deg == direction and extent.refused == ()


@pytest.mark.parametrize("text", ["", "up", "NEN", "361", "-400", "N;S", "north-west", "1e2"])
def test_what_is_no_direction_is_refused(text):
    extent = building_extent({"roof:shape": "skillion", "roof:direction": text})
    assert math.isnan(extent.direction_deg) and extent.refused == ("roof:direction",)
    assert math.isnan(building_extent({}).direction_deg)


def test_roofs_on_posts():
    assert all(building_extent(tags).slab for tags in ({"building": "roof"}, {"building": "carport"}, {"building:part": "roof"},
                                                       {"building": "yes", "building:part": "carport"}))  # fmt: skip
    assert not any(building_extent(tags).slab for tags in ({"building": "yes"}, {"building:part": "yes"}, {"building": "garage"}))


def test_orientation_of_the_ridge():
    across = {value: building_extent({"roof:shape": "gabled", "roof:orientation": value}) for value in ("along", "across", "sideways")}
    assert [e.across for e in across.values()] == [False, True, False]
    assert [e.refused for e in across.values()] == [(), (), ("roof:orientation",)]


VALUES = st.sampled_from(["0", "1", "2", "3.5", "7,5", "12", "40 ft", "999", "1e3", "-1", "1001", "?", "299", "400"])
KEYS = ("height", "min_height", "building:levels", "building:min_level", "roof:height", "roof:levels")


@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.sampled_from(["flat", "gabled", "dome"]))
def test_any_tags_give_an_extent_that_can_be_built(tags, shape):
    extent = building_extent({**tags, "roof:shape": shape})
    assert 0 <= extent.bottom_m <= 1000 and set(extent.refused) <= set(tags) and len(set(extent.refused)) == len(extent.refused)
    if extent.source == NO_HEIGHT:
        assert math.isnan(extent.top_m)
    else:
        assert extent.bottom_m < extent.top_m <= 2000
        assert not extent.roof_height_m > extent.top_m - extent.bottom_m + 1e-9
    if "height" in tags and "height" not in extent.refused:
        assert extent.top_m == parse_length_m(tags["height"]) and extent.source == BY_HEIGHT


def test_default_heights():
    uniforms = (np.arange(100_000) + 0.5) / 100_000
    levels = np.array([default_height_m(False, uniform) for uniform in uniforms]) / METRES_PER_LEVEL
    assert np.bincount(levels.astype(int)).tolist() == [0, 15_000, 35_000, 25_000, 15_000, 10_000]
    assert default_height_m(False, 0.0) == METRES_PER_LEVEL and default_height_m(False, np.nextafter(1, 0)) == 5 * METRES_PER_LEVEL
    assert {default_height_m(True, uniform) for uniform in (0, 0.5, 0.99)} == {LOW_HEIGHT_M}


def test_real_tags_are_understood(shared_data):
    buildings = osmium.FileProcessor(str(shared_data / "osm/lower-manhattan.osm.pbf")).with_filter(osmium.filter.KeyFilter("building"))
    tags = [dict(b.tags) for b in buildings]
    extents = [building_extent(t) for t in tags]
    assert sum(bool(e.refused) for e in extents) < 0.001 * len(tags)
    with_height = [(e, float(t["height"])) for e, t in zip(extents, tags, strict=True) if t.get("height", "0") != "0"]
    assert len(with_height) > 9000 and all(e.top_m == height and e.source == BY_HEIGHT for e, height in with_height)
