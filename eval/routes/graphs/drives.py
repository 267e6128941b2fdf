"""Simulated drives along routes that do not go as planned."""

import numpy as np


def disturbed(routes: np.ndarray, rng: np.random.Generator, drop: float = 0.1, repeat: float = 0.1) -> list[np.ndarray]:
    """Drives along routes (R, L) on which each panorama is missed, or taken once more at the same place, with these probabilities."""
    return [np.repeat(route, rng.choice([0, 2, 1], len(route), p=[drop, repeat, 1 - drop - repeat])) for route in routes]


def kidnapped(routes: np.ndarray) -> list[np.ndarray]:
    """Drives whose second half is that of the next route: in between, the vehicle is put down elsewhere without a word."""
    half = routes.shape[1] // 2
    return [np.concatenate([route[:half], other[half:]]) for route, other in zip(routes, np.roll(routes, -1, axis=0), strict=True)]
