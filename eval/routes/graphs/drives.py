"""Simulated drives along routes: panoramas are missed or repeated, or the vehicle is moved elsewhere."""

import numpy as np


def disturbed(routes: np.ndarray, rng: np.random.Generator, drop: float = 0.1, repeat: float = 0.1) -> list[np.ndarray]:
    """The places of a drive along each route (R, L): a panorama is missed with probability `drop`, and taken twice with `repeat`."""
    return [np.repeat(route, rng.choice([0, 2, 1], len(route), p=[drop, repeat, 1 - drop - repeat])) for route in routes]


def kidnapped(routes: np.ndarray) -> list[np.ndarray]:
    """The places of a drive for each route (R, L). The second half is that of the next route: the vehicle was moved there unnoticed."""
    half = routes.shape[1] // 2
    return [np.concatenate([route[:half], other[half:]]) for route, other in zip(routes, np.roll(routes, -1, axis=0), strict=True)]
