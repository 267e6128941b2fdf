"""The file of an OpenStreetMap extract: what it covers, the order of its elements, and what is wrong with it."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import osmium

from utils.errors import NO_SPACE, InputError
from utils.progress import progress


def read_frame(path: Path, bbox: tuple[float, float, float, float] | None = None) -> tuple[float, float, float, float]:
    """What a map of an extract covers, in degrees: west, south, east, north.

    Args:
        path: `.osm`, `.osm.gz`, `.osm.bz2` or `.osm.pbf`.
        bbox: south, west, north, east in degrees; a part of the extract. An extract that does not state its own box spans its buildings.

    Returns:
        west < east; east of a frame over the antimeridian is above 180.

    Raises:
        InputError: the file is missing, truncated or not an extract, holds no building, or has nothing in the box.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such extract; give an .osm, .osm.gz, .osm.bz2 or .osm.pbf file")
    with reading(path):
        box = osmium.io.Reader(str(path)).header().box()
        if box.valid() and box.top_right.lon - box.bottom_left.lon < 180:  # wider is one over the antimeridian, whose sides osmium swaps
            frame = (box.bottom_left.lon, box.bottom_left.lat, box.top_right.lon, box.top_right.lat)
        else:
            with in_order(path) as sorted_path:
                frame = _box_of_buildings(sorted_path)
            if frame is None:
                raise InputError(f"{path}: no building above ground in this extract; it needs polygons tagged `building`")
        if frame[0] > frame[2]:
            frame = (frame[0], frame[1], frame[2] + 360, frame[3])
    if bbox is not None:
        south, west, north, east = bbox
        if frame[2] > 180 and east < frame[0]:  # the box lies on the far side of the antimeridian
            west, east = west + 360, east + 360
        west, south, east, north = np.maximum((west, south), frame[:2]).tolist() + np.minimum((east, north), frame[2:]).tolist()
        if west >= east or south >= north:
            raise InputError(f"{path}: nothing of it lies in --bbox; it covers {frame[1]:.4f},{frame[0]:.4f},{frame[3]:.4f},{frame[2]:.4f}")
        frame = (west, south, east, north)
    return frame


def _box_of_buildings(path: Path) -> tuple[float, float, float, float] | None:
    """West, south, east, north of the ways that are buildings; west > east where they lie on both sides of the antimeridian."""
    ways = osmium.FileProcessor(str(path)).with_locations().with_filter(osmium.filter.KeyFilter("building"))
    ways = progress(ways.with_filter(osmium.filter.EntityFilter(osmium.osm.WAY)), desc="buildings' box", unit=" buildings")
    south, north, sides = math.inf, -math.inf, {False: [], True: []}  # west and east of what lies west and east of Greenwich
    for way in ways:
        for node in way.nodes:
            if node.location.valid():
                south, north = min(south, node.lat), max(north, node.lat)
                side = sides[node.lon > 0]
                side[:] = (min(side[0], node.lon), max(side[1], node.lon)) if side else (node.lon, node.lon)
    lons = sides[False] + sides[True]
    if not lons:
        return None
    if max(lons) - min(lons) > 180:
        return sides[True][0], south, sides[False][1], north
    return min(lons), south, max(lons), north


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what libosmium raises while it reads an extract into an InputError; a full disk stays what it is."""
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:  # for what is written while reading
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as an OpenStreetMap extract ({reason}); "
                         "download it again, it may be truncated") from None


@contextmanager
def in_order(path: Path) -> Iterator[Path]:
    """The extract itself where nodes come before ways and ways before relations, each by id, else a sorted copy for the time being."""
    if _is_in_order(path):  # headers claim it of files that are not
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "sorted.osm.pbf"
        merger = osmium.MergeInputReader()
        merger.add_file(str(path))
        with osmium.SimpleWriter(str(copy)) as writer:
            merger.apply(writer, simplify=False)
        yield copy


def _is_in_order(path: Path) -> bool:
    latest = (0, 0)
    for element in progress(osmium.FileProcessor(str(path)), desc="order of the elements", unit=" elements"):
        if element.id < 0:
            raise InputError(f"{path}: holds ids below zero, as of elements never uploaded; give it others with `osmium renumber`")
        place = (0 if element.is_node() else 1 if element.is_way() else 2, element.id)
        if place < latest:
            return False
        latest = place
    return True
