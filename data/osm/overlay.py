"""Overlays of polygons that do not fail.

GEOS computes an overlay in floating point, which one in some hundred thousand of a city's polygons defeats: edges that all but touch are
found to cross where no corner is. Those few are computed once more on a grid, on which it always succeeds.
"""

from collections.abc import Callable

import numpy as np
import shapely

GRID_M = 2.0**-10  # about a millimetre
GRID_DEG = 2.0**-27  # the same in degrees; OpenStreetMap's nodes lie on a grid of 1e-7


def overlay(operation: Callable, a, b, grid: float = GRID_M):
    """shapely.intersection, difference or union of geometries a and b, scalars or arrays that broadcast; each pair for itself, so that
    one that fails changes no other.

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
