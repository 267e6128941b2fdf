"""Types of command-line arguments."""

import argparse

import pytest

from utils.arguments import area_name, count, join_negative, length, number, numbers, positive, seed


@pytest.mark.parametrize(("parse", "text", "value"), [
    (positive, "0.45", 0.45), (length, "0", 0.0), (length, "0.0", 0.0), (length, "4", 4.0), (count, "12", 12), (seed, "0", 0),
    (area_name, "wallstreet", "wallstreet"), (numbers(2, "LAT,LON"), "40.7,-74", (40.7, -74.0)), (number, "-90", -90.0),
])  # fmt: skip
def test_taken(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text"), [
    (positive, "0"), (positive, "-1"), (positive, "nan"), (positive, "inf"), (positive, "x"), (length, "-4"), (length, "x"),
    (count, "0"), (count, "1.5"), (count, "-3"), (seed, "-1"), (seed, "1e3"), (area_name, "map"), (area_name, "a/b"), (area_name, ".a"),
    (area_name, ""), (numbers(2, "LAT,LON"), "40.7"), (numbers(2, "LAT,LON"), "a,b"),
    (numbers(2, "LAT,LON"), "nan,1"), (number, "inf"),
])  # fmt: skip
def test_refused(parse, text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


def test_negative_values_are_no_options():
    assert join_negative(["x", "--at", "-33.9,151", "--out", "-"], {"--at"}) == ["x", "--at=-33.9,151", "--out", "-"]
