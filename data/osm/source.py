"""An extract made ready for libosmium, and what it covers."""

import gc
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import osmium

from data.osm.container import HISTORY, check_pbf, extract_format, link_or_copy, unpacked
from data.osm.marks import Box, read_marks
from data.osm.tidy import rewrite, workers
from utils.child import in_child
from utils.errors import NO_SPACE, InputError
from utils.progress import progress

T = TypeVar("T")
WIDEST_DEG = 20.0  # of a map; no city reaches as far
MEMORY_BYTES = 2 << 30  # that reading may take, besides MEMORY_PER_BYTE for each byte of the extract
MEMORY_PER_BYTE = 64
MISSING_NODES = "ask the query service for them, too: `(._;>;); out;` as the query's last line"


@dataclass
class Extract:
    """An extract that libosmium can read."""

    path: Path  # as the user named it, for messages
    file: Path  # OSM XML or pbf whose ways are sorted by id, each element once
    boxes: list[Box] = field(default_factory=list)  # what it says that it covers
    deleted: int = 0  # elements left out because an editor or the database has deleted them

    def apply(self, entities: osmium.osm.osm_entity_bits, *handlers) -> None:
        """Hands elements to handlers and filters of osmium, in the order of the file."""
        with osmium.io.Reader(str(self.file), entities, thread_pool=workers()) as reader:
            osmium.apply(reader, *handlers)

    def relations(self, *filters) -> Iterator[osmium.osm.Relation]:
        """The relations that pass filters of osmium; each is valid until the next is asked for."""
        found = osmium.FileProcessor(str(self.file), osmium.osm.RELATION, workers())
        for one in filters:
            found.with_filter(one)
        for element in found:
            if isinstance(element, osmium.osm.Relation):
                yield element

    def tags_of_ways(self, ids: set[int]) -> list[dict[str, str]]:
        """The tags of some ways."""
        found = osmium.FileProcessor(str(self.file), osmium.osm.WAY, workers()).with_filter(osmium.filter.IdFilter(ids))
        return [dict(way.tags) for way in found] if ids else []

    def locations(self, *handlers) -> osmium.NodeLocationsForWays:
        """Reads all nodes. The handler that is returned adds their places to ways, wherever these are in the file.

        Args:
            handlers: what else the nodes are handed to.
        """
        locations = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
        locations.ignore_errors()
        self.apply(osmium.osm.NODE, locations, *handlers)
        return locations


@contextmanager
def opened(path: Path) -> Iterator[Extract]:
    """Opens an extract during the block: unpacked, sorted and tidied as far as it needs that.

    Args:
        path: `.osm`, `.osm.gz`, `.osm.bz2` or `.osm.pbf`.

    Raises:
        InputError: the file is missing, damaged, truncated, or no extract but a history, a change file, an incomplete answer, …
    """
    path = Path(path)
    kind = extract_format(path)
    with tempfile.TemporaryDirectory(prefix="extract-") as folder:
        yield guarded(path, lambda: _prepare(path, kind, Path(folder)))


def guarded(path: Path, work: Callable[[], T]) -> T:
    """The result of `work()`, computed in a child process: broken text crashes libosmium.

    Raises:
        InputError: the extract is damaged, or takes more memory than its size allows.
    """
    memory_bytes = MEMORY_BYTES + MEMORY_PER_BYTE * path.stat().st_size

    def read() -> T:
        gc.freeze()  # a fork does not copy the parent's threads: freeing them would hang
        with reading(path):
            return work()

    try:
        return in_child(read, str(path), memory_bytes)
    except MemoryError:
        raise InputError(
            f"{path}: takes more than {memory_bytes / (1 << 30):.1f} GB of memory to read, more than any extract of its size; "
            "take a sound copy of it, or a smaller extract"
        ) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what libosmium raises while it reads an extract into an InputError; a full disk stays what it is."""
    try:
        yield
    except (RuntimeError, OSError, ValueError, osmium.InvalidLocationError) as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:  # for what is written while reading
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is damaged ({reason:.200}); correct it or take a sound copy of it") from None


def _prepare(path: Path, kind: str, folder: Path) -> Extract:
    deleted, boxes, untidy = set(), [], False
    if kind == "pbf":
        check_pbf(path)
        file = link_or_copy(path, folder / "extract.osm.pbf")
        header = osmium.io.Reader(str(file), osmium.osm.NOTHING, workers()).header()
        if header.has_multiple_object_versions:
            raise InputError(f"{path}: {HISTORY}")
        box = header.box()
        if box.valid() and box.top_right.lon - box.bottom_left.lon < 180:  # wider is one over the antimeridian: osmium swaps its sides
            boxes = [(box.bottom_left.lon, box.bottom_left.lat, box.top_right.lon, box.top_right.lat)]
        untidy = any(header.get(f"pbf_optional_feature_{i}") == "LocationsOnWays" for i in range(9))
    else:
        file, chunks = folder / "extract.osm", unpacked(path, kind)
        if kind == "XML":
            link_or_copy(path, file)
            marks = read_marks(path, progress(chunks, desc=f"looking through {path.name}", unit=" MB"))
        else:
            with open(file, "wb") as target:
                marks = read_marks(path, _copied(progress(chunks, desc=f"unpacking {path.name}", unit=" MB"), target))
        deleted, boxes = marks.deleted, marks.boxes
        untidy = bool(deleted) or marks.invisible or marks.below_zero or marks.located or marks.repeated
    gone = 0
    if not untidy and not _in_order(file):
        untidy = not _in_order(file := _sorted(file, folder / "sorted.osm.pbf"))  # what is still out of order occurs twice
    if untidy or _below_zero(file):
        file, source = folder / "tidy.osm.pbf", file
        gone = rewrite(path, source, file, deleted)
    return Extract(path, file, boxes, gone)


def _copied(chunks: Iterator[bytes], target) -> Iterator[bytes]:
    for chunk in chunks:
        target.write(chunk)
        yield chunk


def _in_order(file: Path) -> bool:
    """Whether ways are sorted by id, as libosmium needs them, and no way or relation occurs twice; headers may claim so wrongly."""
    try:
        Extract(file, file).apply(osmium.osm.WAY, osmium.area.AreaManager().second_pass_handler())
    except RuntimeError as error:
        if "Way ID" in str(error):
            return False
        raise
    relations = [relation.id for relation in Extract(file, file).relations()]
    return len(set(relations)) == len(relations)


def _sorted(file: Path, target: Path) -> Path:
    merger = osmium.MergeInputReader()
    merger.add_file(str(file))
    with osmium.SimpleWriter(str(target), thread_pool=workers()) as writer:
        merger.apply(writer, simplify=False)
    return target


def _below_zero(file: Path) -> bool:
    """Whether a file holds ids below zero, which come before all others."""
    kinds = (osmium.osm.NODE, osmium.osm.WAY, osmium.osm.RELATION)
    return any(_first_id(osmium.FileProcessor(str(file), kind, workers())) < 0 for kind in kinds)


def _first_id(processor: osmium.FileProcessor) -> int:
    for element in processor:
        return element.id
    return 0


def read_frame(extract: Extract, bbox: tuple[float, float, float, float] | None = None) -> Box:
    """What a map of an extract covers, in degrees: west, south, east, north.

    Args:
        bbox: south, west, north, east in degrees; a part of the extract. West > east spans the antimeridian.

    Returns:
        the box of all boxes that the extract states, else of its buildings; west < east, which is above 180 over the antimeridian.

    Raises:
        InputError: the extract holds no building, has nothing in the box, or covers far more than a city.
    """
    path = extract.path
    frame = _around(extract.boxes or guarded(path, lambda: boxes_of_buildings(extract)))
    if bbox is not None:
        south, west, north, east = bbox
        east += 360 * (west > east)
        turns = [k for k in (-360, 0, 360) if west + k < frame[2] and east + k > frame[0]]
        turn = turns[0] if turns else 0
        low, high = np.maximum((west + turn, south), frame[:2]).tolist(), np.minimum((east + turn, north), frame[2:]).tolist()
        if not turns or low[1] >= high[1]:
            raise InputError(f"{path}: nothing of it lies in --bbox; it covers {frame[1]:.4f},{frame[0]:.4f},{frame[3]:.4f},{frame[2]:.4f}")
        frame = (*low, *high)
    if max(frame[2] - frame[0], frame[3] - frame[1]) > WIDEST_DEG:
        raise InputError(f"{path}: covers {frame[2] - frame[0]:.0f}° × {frame[3] - frame[1]:.0f}°, more than a city; "
                         "give the city's --bbox")  # fmt: skip
    return frame


def _around(boxes: list[Box]) -> Box:
    """The box around boxes that lie on one side of the earth."""
    west, south, east, north = np.array(boxes).T
    turns = np.round((west - west[0]) / 360) * 360
    low, high = (west - turns).min(), (east - turns).max()
    turn = 360 * (low < -180)
    return float(low + turn), float(south.min()), float(high + turn), float(north.max())


class _Bounds:
    """A handler that keeps the box of each building's nodes."""

    def __init__(self):
        self.boxes: list[Box] = []
        self.seen = 0

    def way(self, way) -> None:
        """Takes a way that is a building or part of one."""
        if way.tags.get("building") == "no":
            return
        self.seen += 1
        places = np.array([(n.lon, n.lat) for n in way.nodes if n.location.valid()])
        if len(places):
            self.boxes.append(_around(np.concatenate([places, places], axis=1).tolist()))


def boxes_of_buildings(extract: Extract) -> list[Box]:
    """The boxes of all buildings' nodes, in degrees.

    Raises:
        InputError: there is no building, or none whose nodes are there.
    """
    members: set[int] = set()
    for relation in extract.relations(osmium.filter.KeyFilter("building")):
        members.update(m.ref for m in relation.members if m.type == "w" and relation.tags["building"] != "no")
    locations, bounds = extract.locations(), _Bounds()
    extract.apply(osmium.osm.WAY, locations, osmium.filter.KeyFilter("building"), bounds)
    if members:
        extract.apply(osmium.osm.WAY, locations, osmium.filter.IdFilter(members), bounds)
    if not bounds.boxes and (bounds.seen or members):
        raise InputError(f"{extract.path}: holds buildings without the nodes of their outlines; {MISSING_NODES}")
    west, south, east, north = _around(bounds.boxes) if bounds.boxes else (0.0,) * 4
    if west == east or south == north:
        raise InputError(f"{extract.path}: no building above ground in this extract; it needs polygons tagged `building`")
    return bounds.boxes
