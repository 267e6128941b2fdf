"""Fixtures shared by all tests: real data, hand-written extracts, and a small city built from one."""

import bz2
import gzip
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import hypothesis
import numpy as np
import pytest
import torch

from data.city import CityMap
from data.osm.build import build_map
from utils.errors import run_command
from utils.projection import Projection

hypothesis.settings.register_profile("seeded", derandomize=True)  # a change is not judged by luck
hypothesis.settings.load_profile("seeded")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared/data"
ORIGIN = (-33.9, 151.2)  # of the hand-written extracts; south of the equator, where signs go wrong


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the project. Skips where it is missing, but fails in continuous integration."""
    if not SHARED_DATA.is_dir():
        message = "no real data: ../shared/data does not exist"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    return SHARED_DATA


@pytest.fixture(autouse=True)
def one_thread():
    """On tensors as small as the tests' threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def call_main(monkeypatch, capsys):
    """Runs a command's `main` in this process: call_main(main, *arguments) → its exit status, what it printed, and its errors."""

    def call(main: Callable[[], None], *arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process goes on
        try:
            run_command(main)
            status = 0
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return call


class Extract:
    """An OpenStreetMap XML file in the making; coordinates in metres about ORIGIN, which is the centre of its bounds.

    Ways and relations are numbered together from 1 on, in the order in which they are made; nodes are numbered by themselves.
    """

    def __init__(self, half_width_m: float, half_height_m: float):
        self.projection, self.nodes, self.body = Projection(*ORIGIN), {}, {}
        (south, north), (west, east) = self.projection.inverse([-half_width_m, half_width_m], [-half_height_m, half_height_m])
        self.bounds = f'<bounds minlat="{south:.7f}" minlon="{west:.7f}" maxlat="{north:.7f}" maxlon="{east:.7f}"/>'
        self.count = 0

    def node(self, xy, tags: dict[str, str] | None = None) -> int:
        """A node; the same place is the same node."""
        number, known = self.nodes.setdefault(tuple(map(float, xy)), (len(self.nodes) + 1, {}))
        known.update(tags or {})
        return number

    def way(self, xy, tags: dict[str, str] | None = None) -> int:
        """A way through places; closed where the last is the first."""
        refs = "".join(f'<nd ref="{self.node(p)}"/>' for p in xy)
        self.count += 1
        self.body[self.count] = f'<way id="{self.count}" version="1">{refs}{_tags(tags or {})}</way>'
        return self.count

    def box(self, x0: float, y0: float, x1: float, y1: float, tags: dict[str, str] | None = None) -> int:
        """A closed way around an upright rectangle."""
        return self.way([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], tags)

    def polygon(self, polygon, tags: dict[str, str]) -> int:
        """A shapely polygon, as a closed way, or as a relation where it has holes; returns its id, minus that of a relation."""
        if not polygon.interiors:
            return self.way(polygon.exterior.coords, tags)
        outer, *inner = (self.way(ring.coords) for ring in (polygon.exterior, *polygon.interiors))
        return -self.relation([(outer, "outer"), *((i, "inner") for i in inner)], tags)

    def multipolygon(self, outer: int, inner: int, tags: dict[str, str]) -> int:
        """A relation of two closed ways."""
        return self.relation([(outer, "outer"), (inner, "inner")], tags)

    def relation(self, members: list[tuple[int, str]], tags: dict[str, str]) -> int:
        """A multipolygon of any ways (id, role); also of ways that the file does not hold."""
        self.count += 1
        refs = "".join(f'<member type="way" ref="{ref}" role="{role}"/>' for ref, role in members)
        self.body[self.count] = f'<relation id="{self.count}" version="1">{refs}{_tags({"type": "multipolygon", **tags})}</relation>'
        return self.count

    def drop(self, number: int) -> None:
        """Takes a way out again, as an extract does that cuts the members of a relation off."""
        del self.body[number]

    def write(self, path: Path, shuffle: str | None = None, seed: int = 0, bounds: bool = True) -> Path:
        """Writes the file, compressed where its name ends in .gz or .bz2.

        Args:
            shuffle: None for nodes, ways, relations in the order of their ids; "within" shuffles each of the three, "mixed" all.
            seed: of the shuffling.
            bounds: whether the file states its box.
        """
        nodes = []
        for (x, y), (number, tags) in self.nodes.items():
            lat, lon = self.projection.inverse(x, y)
            nodes.append(f'<node id="{number}" version="1" lat="{lat:.9f}" lon="{lon:.9f}">{_tags(tags)}</node>')
        kinds = [nodes, *([line for line in self.body.values() if line.startswith(kind)] for kind in ("<way", "<relation"))]
        rng = random.Random(seed)
        if shuffle == "within":
            kinds = [rng.sample(lines, len(lines)) for lines in kinds]
        elements = [line for lines in kinds for line in lines]
        if shuffle == "mixed":
            rng.shuffle(elements)
        head = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6">', *[self.bounds] * bounds]
        text = "\n".join([*head, *elements, "</osm>", ""]).encode()
        path.write_bytes({".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)(text))
        return path


def _tags(tags: dict[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items())


@pytest.fixture(scope="session")
def new_extract() -> type[Extract]:
    """The class of hand-written extracts."""
    return Extract


@pytest.fixture(scope="session")
def small_extract(tmp_path_factory) -> Path:
    """800 m × 600 m: a grid of streets, blocks of buildings, a park with trees, a pond, a courtyard, a tower with parts."""
    extract, rng = Extract(400, 300), np.random.default_rng(0)
    for x in (-240, -80, 80, 240):
        extract.way([(x, -300), (x, 300)], {"highway": "residential"})
    for y in (-160, 0, 160):
        extract.way([(-400, y), (400, y)], {"highway": "primary" if y == 0 else "residential", "lanes": "2"})
    for block_x in (-320, -160, 0, 160, 320):
        for block_y in (-230, -80, 80, 230):
            if (block_x, block_y) == (0, 80):
                continue
            for dx, dy in ((-32, -30), (32, -30), (-32, 30), (32, 30)):
                x, y = block_x + dx, block_y + dy
                extract.box(x - 20, y - 18, x + 20, y + 18, {"building": "yes", "height": f"{rng.uniform(6, 60):.1f}"})
    extract.box(-70, 10, 70, 150, {"leisure": "park"})
    extract.box(-60, 90, -20, 130, {"natural": "water"})
    courtyard = extract.box(20, 20, 60, 60), extract.box(30, 30, 50, 50)
    extract.multipolygon(*courtyard, {"building": "yes", "building:levels": "4"})
    extract.box(20, 100, 60, 140, {"building": "yes", "height": "20"})
    extract.box(20, 100, 40, 140, {"building:part": "yes", "height": "20"})
    extract.box(40, 100, 60, 140, {"building:part": "yes", "height": "80"})
    extract.box(-30, 20, -10, 40, {"building": "yes", "location": "underground", "layer": "-1"})
    for i in range(12):
        extract.node((-65 + 11 * i, 80), {"natural": "tree"})
    return extract.write(tmp_path_factory.mktemp("extract") / "small.osm")


@pytest.fixture(scope="session")
def small_city(small_extract, tmp_path_factory) -> CityMap:
    """The map of `small_extract`; not to be changed."""
    path = tmp_path_factory.mktemp("small") / "city"
    build_map(small_extract, path, density=0.1, metres_per_pixel=0.5)
    return CityMap(path)


@pytest.fixture(scope="session")
def tower_city(tmp_path_factory) -> CityMap:
    """Bare ground with a single tower, 20 m × 20 m and 60 m high, whose centre lies 50 m due east of the origin."""
    extract = Extract(500, 200)
    extract.box(40, -10, 60, 10, {"building": "yes", "height": "60"})
    path = tmp_path_factory.mktemp("tower") / "city"
    build_map(extract.write(path.with_suffix(".osm")), path)
    return CityMap(path)


@pytest.fixture(scope="session")
def west_village(shared_data, tmp_path_factory) -> CityMap:
    """The map of a small real extract; not to be changed."""
    path = tmp_path_factory.mktemp("real") / "west-village"
    build_map(shared_data / "osm/west-village.osm.pbf", path, density=0.05)
    return CityMap(path)


@pytest.fixture(scope="session")
def lower_manhattan(shared_data, tmp_path_factory) -> CityMap:
    """The map of a large real extract, with few points and large pixels; not to be changed."""
    path = tmp_path_factory.mktemp("real") / "lower-manhattan"
    build_map(shared_data / "osm/lower-manhattan.osm.pbf", path, density=0.02, metres_per_pixel=2.0)
    return CityMap(path)


def pytest_terminal_summary(terminalreporter):
    """Says at the end what tests recorded as their summary, also those of other processes."""
    for report in terminalreporter.getreports("passed"):
        for key, value in report.user_properties:
            if key == "summary" and report.when == "call":
                terminalreporter.write_line(value)
