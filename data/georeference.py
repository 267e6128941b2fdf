"""Where the pixels of a map lie, and how far around a place a model looks."""

import math

import numpy as np

EXTENT_M = 152.0  # edge of the square around a place that its tile and its cloud show, as published


class Georeference:
    """Where the pixels of a north-up raster lie: pixel (0, 0) is the north-west corner of the bounds.

    Args:
        bounds: x0, y0, x1, y1 in metres (x east, y north).
        metres_per_pixel: edge of a pixel.
    """

    def __init__(self, bounds: tuple[float, float, float, float], metres_per_pixel: float):
        self.bounds = tuple(float(b) for b in bounds)
        self.metres_per_pixel = float(metres_per_pixel)
        x0, y0, x1, y1 = self.bounds
        self.width = math.ceil((x1 - x0) / metres_per_pixel)
        self.height = math.ceil((y1 - y0) / metres_per_pixel)

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Metres (n, 2) to continuous (column, row); the centre of the first pixel is (0.5, 0.5)."""
        return (np.asarray(xy) - (self.bounds[0], self.bounds[3])) * (1, -1) / self.metres_per_pixel
