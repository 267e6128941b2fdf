"""Clouds of places: the points of the turned square by brute force, in the order of the textbook loop."""

import numpy as np
import pytest

from data.areas.cloud_index import cloud_index
from utils.georeference import EXTENT_M


def brute_force(city, x, y, heading_deg):
    """Indices of the points in the heading-up square, and their coordinates about the place in float32."""
    points = np.asarray(city.points)
    local = (points - np.array([x, y, 0])).astype(np.float32)
    a = np.radians(heading_deg)
    ahead = local[:, 0] * np.sin(a) + local[:, 1] * np.cos(a)
    right = local[:, 0] * np.cos(a) - local[:, 1] * np.sin(a)
    inside = np.flatnonzero((np.abs(right) < EXTENT_M / 2) & (np.abs(ahead) < EXTENT_M / 2))
    return inside, local[inside]


def textbook(points, count):
    """Farthest point sampling in float32 from the point nearest to the place."""
    picks = [int(np.argmin((points**2).sum(1)))]
    nearest = np.full(len(points), np.inf, np.float32)
    while len(picks) < count:
        d = points - points[picks[-1]]
        nearest = np.minimum(nearest, d[:, 0] * d[:, 0] + d[:, 1] * d[:, 1] + d[:, 2] * d[:, 2])
        picks.append(int(nearest.argmax()))
    return picks


@pytest.mark.parametrize(
    ("x", "y", "heading_deg"), [(0.0, 0.0, 0.0), (-80.3, 40.7, 33.0), (239.9, -159.8, 271.0), (80.0, 160.0, 135.0), (-395.0, 295.0, 350.0)]
)
def test_index_equals_crop_and_textbook_order(small_city, x, y, heading_deg):
    indices, local = brute_force(small_city, x, y, heading_deg)
    index = cloud_index(small_city, x, y, heading_deg, 200)
    assert index.dtype == np.int32
    assert index.tolist() == indices[textbook(local, 200)].tolist()


def test_square_turns_with_the_heading(small_city):
    north, diagonal = (cloud_index(small_city, 0.0, 0.0, heading, 10**5) for heading in (0.0, 45.0))
    reach = [np.abs(np.asarray(small_city.points)[i, :2]).max() for i in (north, diagonal)]
    assert 75 < reach[0] < 76 and 100 < reach[1] < 107.5


def test_too_few_points_repeat_in_the_same_order(small_city):
    inside, _ = brute_force(small_city, -80.3, 40.7, 33.0)
    n = len(inside)
    index = cloud_index(small_city, -80.3, 40.7, 33.0, 2 * n + 5)
    assert sorted(index[:n]) == inside.tolist()
    assert np.array_equal(index[n : 2 * n], index[:n]) and np.array_equal(index[2 * n :], index[:5])


def test_nothing_around(tower_city):
    index = cloud_index(tower_city, -400.0, 100.0, 0.0, 64)
    assert index.shape == (0,) and index.dtype == np.int32
