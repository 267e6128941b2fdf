"""Types of command-line arguments. Each refuses bad values with one line, through argparse."""

import argparse
import math
from collections.abc import Callable
from typing import NoReturn

from utils.errors import InputError
from utils.names import NOT_A_NAME, is_area, is_area_of_city


class Parser(argparse.ArgumentParser):
    """Refuses bad arguments with one line, as all bad input is refused."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def numbers(count: int, names: str) -> Callable[[str], tuple[float, ...]]:
    """A type for `count` numbers between commas, described as `names`."""

    def parse(text: str) -> tuple[float, ...]:
        try:
            values = tuple(float(v) for v in text.split(","))
        except ValueError:
            values = ()
        if len(values) != count or not all(map(math.isfinite, values)):
            raise argparse.ArgumentTypeError(f"{text[:80]!r} is not {names}")
        return values

    return parse


def between(low: float, high: float) -> Callable[[str], float]:
    """A type for a number from low to high."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number from {low:g} to {high:g}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """A type for a whole number from low to high."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 20 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a whole number from {low} to {high:,}")
        return int(text)

    return parse


count = whole(1, 1_000_000)
seed = whole(0, 2**32 - 1)
processes = whole(1, 256)
HEIGHT = whole(8, 4096)  # rows of a stored panorama
POINTS = whole(2, 65_536)  # of a place's cloud


def area_name(text: str) -> str:
    """The name of an area's folder."""
    if not is_area(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name that an area can take: {NOT_A_NAME}; `map` is the city's map")
    return text


def area_or_csv(text: str) -> str:
    """An area of the city by its name, or a CSV of places by its path."""
    return text if text.endswith(".csv") else area_name(text)


def city_area(text: str) -> str:
    """An area by its city's name and its own."""
    if not is_area_of_city(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not <city>/<area>, e.g. demo/test: {NOT_A_NAME}")
    return text


def join_negative(arguments: list[str], options: set[str]) -> list[str]:
    """`--bbox -33.9,…` as `--bbox=-33.9,…` for the named options: argparse would take a southern latitude for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in options:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
