"""Farthest point order against the textbook loop, to the index."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.crops import textbook_order
from data.areas.farthest_order import farthest_point_order


def uniform(rng):
    return rng.uniform(-76, 76, (3000, 3)) * (1, 1, 0.3)


def far_from_zero(rng):
    """Where float32 resolves less than a millimetre, and steps are as large as some distances."""
    return rng.uniform(-76, 76, (1500, 3)) + (5000, -80000, 0)


def huge(rng):
    """Squared distances near the largest float32."""
    return rng.uniform(-1, 1, (500, 3)) * 5e18


def tiny(rng):
    """Squared distances below the smallest normal float32."""
    return rng.uniform(-1, 1, (500, 3)) * 1e-20


def clustered(rng):
    return np.repeat(rng.uniform(-76, 76, (12, 3)), 100, axis=0) + rng.normal(0, 0.5, (1200, 3))


def with_a_stray_point(rng):
    """All but one in the same cell of the sorting grid."""
    return np.concatenate([rng.uniform(0, 1, (400, 3)), [[1e5, 1e5, 1e5]]])


def lattice(rng):
    """Every distance occurs many times: ties everywhere."""
    return rng.permutation(np.stack(np.meshgrid(*[np.arange(0, 40, 4.0)] * 3), -1).reshape(-1, 3))


def turned_lattice(rng):
    """Ties that only rounding breaks: an operation of another precision or order shows."""
    a, b = rng.uniform(0, 2 * np.pi, 2)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return lattice(rng) @ about_z @ about_x


def lattice_with_duplicates(rng):
    return rng.integers(-5, 6, (2000, 3)) * 8.0


def duplicates(rng):
    """Fewer distinct points than picks."""
    return rng.permutation(np.repeat(rng.uniform(-20, 20, (60, 3)), 5, axis=0))


def coincident(rng):
    return np.full((200, 3), rng.uniform(-76, 76))


def planar(rng):
    return rng.uniform(-76, 76, (2000, 3)) * (1, 1, 0)


def collinear(rng):
    return rng.uniform(-76, 76, (1000, 1)) * (3, -2, 0.1)


CLOUDS = [uniform, far_from_zero, huge, tiny, clustered, with_a_stray_point, lattice, turned_lattice, lattice_with_duplicates,
          duplicates, coincident, planar, collinear]  # fmt: skip


@pytest.mark.parametrize("make", CLOUDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_order_equals_the_textbook(make, seed):
    rng = np.random.default_rng(seed)
    points = make(rng).astype(np.float32)
    count, first = min(1500, len(points)), int(rng.integers(len(points)))
    assert farthest_point_order(points, count, first).tolist() == textbook_order(points, count, first).tolist()


coordinates = st.integers(-3, 3).map(float) | st.floats(-1e4, 1e4, width=32)


@settings(deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 200), st.just(3)), elements=coordinates, fill=coordinates), st.data())
def test_order_of_any_points_equals_the_textbook(points, data):
    first = data.draw(st.integers(0, len(points) - 1))
    assert farthest_point_order(points, len(points), first).tolist() == textbook_order(points, len(points), first).tolist()


def test_all_points_are_picked_once():
    points = np.random.default_rng(0).uniform(-30, 30, (2000, 3)).astype(np.float32)
    assert sorted(farthest_point_order(points, 2000, 7)) == list(range(2000))


def test_a_single_point():
    assert farthest_point_order(np.zeros((1, 3), np.float32), 1, 0).tolist() == [0]


def test_points_are_left_as_they_were():
    points = np.random.default_rng(0).uniform(-30, 30, (200, 3)).astype(np.float32)
    points.setflags(write=False)
    assert len(set(farthest_point_order(points, 50, 3).tolist())) == 50
