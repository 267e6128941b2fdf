"""Farthest point order against the textbook loop, to the index."""

import numpy as np
import pytest

from data.farthest import farthest_point_order


def textbook(points, count, first):
    """Farthest point sampling in float32, ties to the lowest index."""
    nearest = np.full(len(points), np.inf, np.float32)
    picks = [first]
    for _ in range(count - 1):
        d = points - points[picks[-1]]
        nearest = np.minimum(nearest, d[:, 0] * d[:, 0] + d[:, 1] * d[:, 1] + d[:, 2] * d[:, 2])
        picks.append(int(nearest.argmax()))
    return picks


def uniform(rng):
    return rng.uniform(-76, 76, (3000, 3)) * (1, 1, 0.3)


def far_from_zero(rng):
    return rng.uniform(-76, 76, (1500, 3)) + (5000, -8000, 0)


def clustered(rng):
    return np.repeat(rng.uniform(-76, 76, (12, 3)), 100, axis=0) + rng.normal(0, 0.5, (1200, 3))


def grid(rng):
    """Every distance occurs many times: ties everywhere."""
    return rng.permutation(np.stack(np.meshgrid(*[np.arange(0, 40, 4.0)] * 3), -1).reshape(-1, 3))


def duplicates(rng):
    """Fewer distinct points than picks."""
    return rng.permutation(np.repeat(rng.uniform(-20, 20, (60, 3)), 5, axis=0))


def flat(rng):
    return rng.uniform(-76, 76, (2000, 3)) * (1, 1, 0)


def on_cube_edges(rng):
    return rng.integers(-5, 6, (600, 3)) * 8.0


@pytest.mark.parametrize("make", [uniform, far_from_zero, clustered, grid, duplicates, flat, on_cube_edges])
@pytest.mark.parametrize("seed", [0, 1])
def test_order_equals_the_textbook(make, seed):
    rng = np.random.default_rng(seed)
    points = make(rng).astype(np.float32)
    count, first = min(300, len(points)), int(rng.integers(len(points)))
    assert farthest_point_order(points, count, first).tolist() == textbook(points, count, first)


def test_all_points_are_picked_once():
    points = np.random.default_rng(0).uniform(-30, 30, (200, 3)).astype(np.float32)
    assert sorted(farthest_point_order(points, 200, 7)) == list(range(200))


def test_a_single_point():
    assert farthest_point_order(np.zeros((1, 3), np.float32), 1, 0).tolist() == [0]
