"""The projection: known distances, its own inverse, and the published table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.projection import EARTH_RADIUS_M, Projection, great_circle_m

MANHATTAN = (40.7424436, -73.9816155)  # origin of the published coordinates


def test_origin_and_directions():
    projection = Projection(*MANHATTAN)
    assert np.allclose(projection.forward(*MANHATTAN), 0, atol=1e-9)
    x, y = projection.forward(MANHATTAN[0] + 0.01, MANHATTAN[1] + 0.01)
    assert x > 0 and y > 0
    assert y == pytest.approx(np.radians(0.01) * EARTH_RADIUS_M, rel=1e-3)
    assert x == pytest.approx(np.radians(0.01) * EARTH_RADIUS_M * np.cos(np.radians(MANHATTAN[0])), rel=1e-3)


@given(st.floats(-70, 70), st.floats(-180, 180), st.floats(-20_000, 20_000), st.floats(-20_000, 20_000))
def test_round_trip_within_20_km(lat, lon, x, y):
    """Under a millimetre, from metres and from degrees, also across the antimeridian."""
    projection = Projection(lat, lon)
    there = projection.inverse(x, y)
    assert np.allclose(projection.forward(*there), (x, y), atol=1e-4)
    north, east = projection.inverse(*projection.forward(*there))
    assert abs(north - there[0]) * 111_000 < 1e-4 and abs(east - there[1]) * 111_000 < 1e-4


def test_distances_near_the_origin_are_those_on_the_sphere():
    projection, rng = Projection(48.0, 9.0), np.random.default_rng(0)
    x, y = rng.uniform(-5000, 5000, (2, 2, 300))
    (lat0, lat1), (lon0, lon1) = (np.radians(v) for v in projection.inverse(x, y))
    haversine = np.sin((lat1 - lat0) / 2) ** 2 + np.cos(lat0) * np.cos(lat1) * np.sin((lon1 - lon0) / 2) ** 2
    sphere = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(haversine))
    assert np.allclose(np.hypot(x[1] - x[0], y[1] - y[0]), sphere, rtol=1e-6)


@pytest.mark.parametrize("area", ["wallstreet5kU", "unionsquare5kU", "hudsonriver5kU"])
def test_published_coordinates(shared_data, area):
    degrees = pd.read_csv(shared_data / f"streetlearn/{area}.csv", header=None)
    metres = pd.read_csv(shared_data / f"streetlearn/{area}_xy.csv", header=None)
    x, y = Projection(*MANHATTAN).forward(degrees[1], degrees[2])
    assert (degrees[0] == metres[0]).all() and len(x) == 5000
    assert np.abs(x - metres[1]).max() < 1e-6
    assert np.abs(y + metres[2]).max() < 1e-6  # the published second number is minus north


def test_distances_on_the_globe():
    """A degree of a meridian; places near each other, where the projection says so, too; over the antimeridian; the antipodes."""
    degree = np.radians(1) * EARTH_RADIUS_M
    assert great_circle_m([10.0, 0.0, 0.0], [20.0, 179.5, 0.0], [11.0, 0.0, 0.0], [20.0, -179.5, 180.0]) == pytest.approx(
        [degree, degree, 180 * degree]
    )
    lat, lon = Projection(*MANHATTAN).inverse(300.0, -400.0)
    assert great_circle_m(*MANHATTAN, lat, lon) == pytest.approx(500, abs=1e-2)
    assert great_circle_m(*MANHATTAN, 40.44234695, -79.97231925) == pytest.approx(505_000, rel=0.01)  # Pittsburgh
