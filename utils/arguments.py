"""Types of command-line arguments: each refuses what it is not with one line, through argparse."""

import argparse
import math
from collections.abc import Callable

from utils.errors import InputError
from utils.names import NOT_A_NAME, is_area, is_area_of_city, is_name


class Parser(argparse.ArgumentParser):
    """Refuses arguments with one line, as everything is refused."""

    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")


def numbers(count: int, names: str) -> Callable[[str], tuple[float, ...]]:
    """A type for `count` numbers between commas, described as `names`."""

    def parse(text: str) -> tuple[float, ...]:
        try:
            values = tuple(float(v) for v in text.split(","))
        except ValueError:
            values = ()
        if len(values) != count or not all(map(math.isfinite, values)):
            raise argparse.ArgumentTypeError(f"{text!r} is not {names}")
        return values

    return parse


def positive(text: str) -> float:
    """A number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
    return value


def number(text: str) -> float:
    """A finite number."""
    return numbers(1, "a number")(text)[0]


def length(text: str) -> float:
    """A number from zero on."""
    return 0.0 if text.strip("0.") == "" else positive(text)


def count(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def seed(text: str) -> int:
    """A whole number from zero on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from zero on")
    return int(text)


def name(text: str) -> str:
    """A name of one folder."""
    if not is_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: {NOT_A_NAME}")
    return text


def area_name(text: str) -> str:
    """The name of an area's folder."""
    if not is_area(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name that an area can take: {NOT_A_NAME}; `map` is the city's map")
    return text


def city_area(text: str) -> str:
    """An area by its city's name and its own."""
    if not is_area_of_city(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not <city>/<area>, e.g. demo/test: {NOT_A_NAME}")
    return text


def join_negative(arguments: list[str], options: set[str]) -> list[str]:
    """`--bbox -33.9,…` as `--bbox=-33.9,…` for the named options: argparse would take a southern latitude for an option."""
    joined = []
    for argument in arguments:
        if joined and joined[-1] in options:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
