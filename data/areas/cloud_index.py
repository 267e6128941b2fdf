"""Which points of the city map describe a place, in farthest-point order."""

import numpy as np
from numba import njit

from data.areas.farthest_order import farthest_point_order
from data.city import CityMap
from utils.georeference import EXTENT_M


def cloud_index(city: CityMap, x: float, y: float, heading_deg: float, count: int) -> np.ndarray:
    """Indices of the points inside the heading-up square of 152 m around a place, in farthest-point order.

    The order begins with the point nearest to the place on the ground, so any first n are an n-point summary of the square.
    A square that holds fewer points than asked for repeats them in the same order.

    Returns:
        (count,) int32; empty where the map has no point in the square.
    """
    spans = city.spans_within(x, y, EXTENT_M / 2 * np.sqrt(2))
    return cloud_of_spans(np.asarray(city.points), spans, x, y, heading_deg, count)


def cloud_of_spans(points: np.ndarray, spans: np.ndarray, x: float, y: float, heading_deg: float, count: int) -> np.ndarray:
    """As `cloud_index`, but only from the points (M, 3) in spans (rows, 2): ascending indices [first, last)."""
    indices, local = _crop(points, spans, x, y, np.radians(heading_deg), EXTENT_M / 2)
    if not len(indices):
        return np.zeros(0, np.int32)
    east, north, up = local.T
    first = int(np.argmin(east * east + north * north + up * up))
    picks = farthest_point_order(local, min(count, len(local)), first)
    return np.resize(indices[picks], count)


@njit
def _crop(points, spans, x, y, heading, half):
    """Indices (int32) and local coordinates (float32; east, north, up of the place) of the points inside the turned square."""
    total = (spans[:, 1] - spans[:, 0]).sum()
    indices, local = np.empty(total, np.int32), np.empty((total, 3), np.float32)
    c, s, n = np.cos(heading), np.sin(heading), 0
    for first, last in spans:
        for i in range(first, last):
            east, north = points[i, 0] - x, points[i, 1] - y
            if abs(c * east - s * north) < half and abs(s * east + c * north) < half:
                indices[n] = i
                local[n, 0], local[n, 1], local[n, 2] = east, north, points[i, 2]
                n += 1
    return indices[:n], local[:n]
