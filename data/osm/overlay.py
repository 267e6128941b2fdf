"""Overlays of polygons that do not fail.

GEOS computes overlays in floating point. That fails for about one in a hundred thousand polygons of a city, whose edges almost touch.
These few are computed again on a grid, where an overlay always succeeds.
"""

from collections.abc import Callable

import numpy as np
import shapely

GRID_M = 2.0**-10  # about a millimetre
GRID_DEG = 2.0**-27  # the same in degrees; OpenStreetMap's nodes lie on a grid of 1e-7


def overlay(operation: Callable, a, b, grid: float = GRID_M):
    """shapely.intersection, difference or union of geometries a and b, scalars or arrays that broadcast. If one pair fails, the others
    keep their results.

    Args:
        grid: its step, in the unit of the geometries.
    """
    try:
        return operation(a, b)
    except shapely.errors.GEOSException:
        if not np.ndim(a) and not np.ndim(b):
            return operation(_valid(a), _valid(b), grid_size=grid)
    return np.array([overlay(operation, x, y, grid) for x, y in zip(*np.broadcast_arrays(a, b), strict=True)], dtype=object)


def union_of(geometries: np.ndarray, grid: float = GRID_M):
    """The union of all geometries (n,); `grid` as above."""
    try:
        return shapely.union_all(geometries)
    except shapely.errors.GEOSException:
        return shapely.union_all(_valid(geometries), grid_size=grid)


def _valid(geometries):
    return shapely.make_valid(geometries, method="structure", keep_collapsed=False)
