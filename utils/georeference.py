"""Where the pixels of a map lie, and how far around a place a model looks."""

import math

import numpy as np
from numpy.typing import ArrayLike

from utils.errors import InputError

EXTENT_M = 152.0  # edge of the square around a place that its tile and its cloud show, as published
CELL_M = 32.0  # about the edge of a storage cell, rounded to whole pixels


class Georeference:
    """Where the pixels of a north-up raster lie: pixel (0, 0) is the north-west corner of the bounds.

    Storage cells are squares of whole pixels counted from the same corner, row by row; points are stored cell by cell, so that a
    neighbourhood is a few contiguous slices.

    Args:
        bounds: x0, y0, x1, y1 in metres (x east, y north).
        metres_per_pixel: edge of a pixel.

    Attributes:
        width, height: pixels.
        cell_m: edge of a storage cell.
        columns, rows: storage cells.

    Raises:
        InputError: the bounds or the size of a pixel are impossible.
    """

    def __init__(self, bounds: tuple[float, float, float, float], metres_per_pixel: float):
        x0, y0, x1, y1 = map(float, bounds)
        self.bounds = x0, y0, x1, y1
        self.metres_per_pixel = float(metres_per_pixel)
        if not (-math.inf < x0 < x1 < math.inf and -math.inf < y0 < y1 < math.inf):
            raise InputError(f"bounds {self.bounds} are not finite metres with x0 < x1 and y0 < y1")
        if not 0 < self.metres_per_pixel < math.inf:
            raise InputError(f"metres_per_pixel is {self.metres_per_pixel:g}, it must be above zero")
        self.width = math.ceil((x1 - x0) / metres_per_pixel)
        self.height = math.ceil((y1 - y0) / metres_per_pixel)
        self.cell_pixels = max(1, round(CELL_M / metres_per_pixel))
        self.cell_m = self.cell_pixels * self.metres_per_pixel
        self.columns = max(1, math.ceil(self.width / self.cell_pixels))
        self.rows = max(1, math.ceil(self.height / self.cell_pixels))

    def to_pixels(self, xy: ArrayLike) -> np.ndarray:
        """Metres (n, 2) to continuous (column, row); the centre of the first pixel is (0.5, 0.5)."""
        return (np.asarray(xy) - (self.bounds[0], self.bounds[3])) * (1, -1) / self.metres_per_pixel

    def to_cells(self, xy: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Metres (n, 2) to storage cells (column, row), int64; what lies outside goes to the nearest cell."""
        xy = np.asarray(xy, np.float64)
        column = np.floor((xy[..., 0] - self.bounds[0]) / self.cell_m).astype(np.int64)
        row = np.floor((self.bounds[3] - xy[..., 1]) / self.cell_m).astype(np.int64)
        return column.clip(0, self.columns - 1), row.clip(0, self.rows - 1)

    def order_by_cell(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The order that sorts points (M, 3) by cell, stable, and the index of each cell's first point (cells + 1,)."""
        column, row = self.to_cells(points[:, :2])
        cell = row * self.columns + column
        order = np.argsort(cell, kind="stable")
        return order, np.searchsorted(cell[order], np.arange(self.columns * self.rows + 1))
