"""Turns between the places of routes."""

import numpy as np

from eval.routes.graphs.turns import heading_change, turns_of


def test_heading_change():
    assert heading_change([350, 10, 0, 90], [10, 350, 180, 90]).tolist() == [20, -20, -180, 0]
    assert turns_of(np.array([[0, 1, 2]]), np.array([0.0, 30.0, 359.0])).tolist() == [[False, True]]
