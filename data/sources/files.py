"""The published layout's other files: a city's cloud, a place's index into it, a tile. Its axes (east, height, minus north) end here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from data.area import TILE_PIXELS
from data.osm.classes import CLASSES
from data.sources.layout import INDEX_HALF_M, Layout
from utils.errors import InputError
from utils.progress import progress

FARTHEST_M = 200_000.0  # from a city's origin: a sanity check
BLOCK = 1 << 22  # points at a time


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
        if not (np.abs(stored[first : first + BLOCK]) < FARTHEST_M).all():  # nor is one that is not finite
            raise InputError(f"{path}: holds coordinates that are not within {FARTHEST_M / 1000:.0f} km of the city's origin; get it again")
    classes = _read_classes(layout.classes(city))
    if len(classes) != len(stored):
        raise InputError(f"{layout.classes(city)}: {len(classes):,} classes for {len(stored):,} points of {path.name}; get both again")
    return Cloud(stored, classes)


def _read_classes(path: Path) -> np.ndarray:
    """(M,) uint8 of a file with a class a line."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; it holds the class of each point, a line each")
    blocks = []
    try:
        with pd.read_csv(path, header=None, skip_blank_lines=False, chunksize=BLOCK) as reader:
            for table in progress(reader, desc=f"classes of {path.stem}", unit=" blocks"):
                if table.shape[1] != 1:
                    raise InputError(f"{path}: {table.shape[1]} columns; expected a class a line")
                values = pd.to_numeric(table[0], errors="coerce").to_numpy(float)
                bad = np.flatnonzero(~((values >= 0) & (values < len(CLASSES)) & (values % 1 == 0)))
                if len(bad):
                    raise InputError(f"{path}: line {table.index[bad[0]] + 1} is '{table[0].iloc[bad[0]]}'; "
                                     f"a class is a whole number from 0 to {len(CLASSES) - 1}")
                blocks.append(values.astype(np.uint8))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a list of classes ({' '.join(str(error).split())}); get it again") from None
    return np.concatenate(blocks)


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
    """Those of the indices (n,) of points (M, 3) east, north, up that a place's index holds: inside an open square, whatever the height."""
    return index[(np.abs(points[index, :2].astype(np.float64) - (x, y)) < INDEX_HALF_M).all(1)]


def read_tile(path: Path) -> np.ndarray:
    """A map tile, heading up, 152 m × 152 m: (256, 256, 3) uint8 RGB.

    Raises:
        InputError: the file is missing, corrupt, or of another size.
    """
    try:
        with Image.open(path) as image:
            if image.size != (TILE_PIXELS, TILE_PIXELS):
                raise InputError(f"{path}: {image.width} × {image.height} pixels; expected {TILE_PIXELS} × {TILE_PIXELS}")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as an image ({' '.join(str(error).split())})") from None


def _load(path: Path, what: str) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"{path}: no such file; it holds {what}")
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError) as error:  # pickled objects among them: what is mapped is never unpickled
        raise InputError(f"{path}: not an array ({' '.join(str(error).split())})") from None
