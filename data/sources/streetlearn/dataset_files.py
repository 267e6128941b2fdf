"""Further files of the published layout: a city's cloud, places' indices into it, tiles. Its axes, east, height, minus north, end here."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.area import TILE_PIXELS
from data.sources.photographs.photograph_files import open_image, to_rgb
from data.sources.streetlearn.layout import INDEX_HALF_M, Layout
from utils.arrays import map_array
from utils.classes import CLASSES
from utils.errors import InputError
from utils.progress import progress
from utils.tables import shortened

FARTHEST_M = 200_000.0  # from a city's origin: a sanity check
BLOCK = 1 << 22  # points at a time
LONGEST_LINE = 100  # bytes of a class


@dataclass
class Cloud:
    """A city's points as published.

    Attributes:
        stored: (M, 3) float32 or float64 memory map; axes east, height, minus north; metres.
        classes: (M,) uint8.
    """

    stored: np.ndarray
    classes: np.ndarray

    def points(self, selection=slice(None)) -> np.ndarray:
        """The selected points, (n, 3) float32: x east, y north, z up."""
        east, height, south = np.asarray(self.stored[selection], np.float32).T
        return np.column_stack([east, -south, height])


def published_axes(points: np.ndarray) -> np.ndarray:
    """Points (n, 3) east, north, up as they are stored: east, height, minus north."""
    return np.column_stack([points[:, 0], points[:, 2], -points[:, 1]])


def read_cloud(layout: Layout, city: str) -> Cloud:
    """Opens a city's cloud.

    Raises:
        InputError: a file is missing, is no array of finite points or no list of classes, or they differ in length.
    """
    path = layout.points(city)
    stored = _load(path, "the city's points")
    if stored.ndim != 2 or stored.shape[1] != 3 or stored.dtype not in (np.float32, np.float64) or not len(stored):
        raise InputError(f"{path}: holds {stored.dtype}{stored.shape}; expected points (M, 3) of float32 or float64")
    for first in range(0, len(stored), BLOCK):
        if not (np.abs(stored[first : first + BLOCK]) < FARTHEST_M).all():  # false for NaN, too
            raise InputError(f"{path}: holds coordinates that are not within {FARTHEST_M / 1000:.0f} km of the city's origin; get it again")
    classes = _read_classes(layout.classes(city))
    if len(classes) != len(stored):
        raise InputError(f"{layout.classes(city)}: {len(classes):,} classes for {len(stored):,} points of {path.name}; get both again")
    return Cloud(stored, classes)


def _read_classes(path: Path) -> np.ndarray:
    """(M,) uint8 of a file with a class a line."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; it holds the class of each point, a line each")
    blocks, rest, lines = [], b"", 0
    with open(path, "rb") as file, progress(total=path.stat().st_size, desc=f"classes of {path.stem}", unit="B") as bar:
        while block := file.read(BLOCK):
            bar.update(len(block))
            *complete, rest = (rest + block).split(b"\n")
            blocks.append(_classes(path, complete, lines))
            lines += len(complete)
            if len(rest) > LONGEST_LINE:
                _classes(path, [rest], lines)  # refuses it
    if rest:
        blocks.append(_classes(path, [rest], lines))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.uint8)


class _Codes(dict):
    """The class that each line states: a whole number, perhaps as another program writes it, e.g. 3.0 or 3.000e+00."""

    def __missing__(self, line: bytes) -> int:
        if len(line) <= LONGEST_LINE and re.fullmatch(rb"[0-9.eE+]+\s*", line):
            with suppress(ValueError):
                value = float(line)
                if value in range(len(CLASSES)):
                    return int(value)
        raise KeyError(line)


_CODES = _Codes({str(code).encode() + end: code for code in range(len(CLASSES)) for end in (b"", b"\r")})


def _classes(path: Path, lines: list[bytes], before: int) -> np.ndarray:
    try:
        return np.fromiter(map(_CODES.__getitem__, lines), np.uint8, len(lines))
    except KeyError as error:
        line = error.args[0]
        text = shortened(line[:LONGEST_LINE].decode(errors="backslashreplace").rstrip("\r"))
        raise InputError(f"{path}: line {before + lines.index(line) + 1} is {text}; "
                         f"a class is a whole number from 0 to {len(CLASSES) - 1}") from None  # fmt: skip


def read_index(path: Path, points: int) -> np.ndarray:
    """A place's indices into its city's points, (n,) int64.

    Raises:
        InputError: the file is missing, or holds something else.
    """
    index = _load(path, "the indices of the points around a place")
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise InputError(f"{path}: holds {index.dtype}{index.shape}; expected a list of whole numbers")
    if len(index) and not 0 <= index.min() <= index.max() < points:
        raise InputError(f"{path}: holds indices from {index.min()} to {index.max()}, but the city has {points:,} points")
    return index.astype(np.int64)


def indices_around(points: np.ndarray, index: np.ndarray, x: float, y: float) -> np.ndarray:
    """The indices, out of (n,), that belong into a place's index: of points (M, 3) east, north, up in a square, at any height."""
    return index[(np.abs(points[index, :2].astype(np.float64) - (x, y)) < INDEX_HALF_M).all(1)]


def read_tile(path: Path) -> np.ndarray:
    """A map tile, heading up, 152 m × 152 m: (256, 256, 3) uint8 RGB.

    Raises:
        InputError: the file is missing, corrupt, or of another size.
    """
    with open_image(path) as image:
        if image.size != (TILE_PIXELS, TILE_PIXELS):
            raise InputError(f"{image.width} × {image.height} pixels; expected {TILE_PIXELS} × {TILE_PIXELS}")
        return np.asarray(to_rgb(image))


def _load(path: Path, what: str) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"{path}: no such file; it holds {what}")
    try:
        return map_array(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not an array ({' '.join(str(error).split())})") from None
