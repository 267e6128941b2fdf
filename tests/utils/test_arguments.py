"""Types of command-line arguments."""

import argparse

import pytest

from utils.arguments import Parser, area_name, between, city_area, count, join_negative, numbers, processes, seed
from utils.errors import InputError


@pytest.mark.parametrize(("parse", "text", "value"), [
    (between(0.05, 10), "0.45", 0.45), (between(0, 100), "0", 0.0), (between(0, 100), "1e2", 100.0), (count, "12", 12), (seed, "0", 0),
    (area_name, "wallstreet", "wallstreet"), (numbers(2, "LAT,LON"), "40.7,-74", (40.7, -74.0)), (between(-360, 720), "-90", -90.0),
    (city_area, "demo/test", "demo/test"),
])  # fmt: skip
def test_taken(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text"), [
    (between(0.05, 10), "0.04"), (between(0.05, 10), "-1"), (between(0, 10), "nan"), (between(0, 10), "inf"), (between(0, 10), "x"),
    (between(0, 10), "10.1"), (between(0, 10), ""), (count, "1" * 5000), (count, "١"), (count, "1000001"), (processes, "257"),
    (count, "0"), (count, "1.5"), (count, "-3"), (seed, "-1"), (seed, "1e3"), (area_name, "map"), (area_name, "a/b"), (area_name, ".a"),
    (area_name, ""), (area_name, "-a"), (city_area, "demo"), (city_area, "demo/map"), (city_area, "/demo/test"), (city_area, "../test"),
    (numbers(2, "LAT,LON"), "40.7"), (numbers(2, "LAT,LON"), "a,b"), (numbers(2, "LAT,LON"), "nan,1"), (seed, "4294967296"),
])  # fmt: skip
def test_refused(parse, text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


def test_wrong_arguments_are_one_line():
    parser = Parser(prog="python -m some.command")
    parser.add_subparsers(required=True).add_parser("sub").add_argument("--count", type=count)
    with pytest.raises(InputError, match="^argument --count: '0' is not .*; see python -m some.command sub --help$"):
        parser.parse_args(["sub", "--count", "0"])


def test_negative_values_are_no_options():
    assert join_negative(["x", "--at", "-33.9,151", "--out", "-"], {"--at"}) == ["x", "--at=-33.9,151", "--out", "-"]
