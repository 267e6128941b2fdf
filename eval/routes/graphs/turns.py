"""Turns: where the heading changes by more than 30° from one place to the next."""

import numpy as np

TURN_DEG = 30.0


def heading_change(a_deg: np.ndarray, b_deg: np.ndarray) -> np.ndarray:
    """The change from heading a to heading b, clockwise, in [−180, 180) degrees."""
    return (np.asarray(b_deg, np.float64) - a_deg + 180) % 360 - 180


def turned(a_deg: np.ndarray, b_deg: np.ndarray) -> np.ndarray:
    """Whether the heading changes by more than TURN_DEG, bool."""
    return np.abs(heading_change(a_deg, b_deg)) > TURN_DEG


def turns_of(routes: np.ndarray, heading_deg: np.ndarray) -> np.ndarray:
    """(R, L − 1) bool: the turns between the places of routes (R, L), from the heading of each place (N,)."""
    heading_deg = heading_deg[routes]
    return turned(heading_deg[:, :-1], heading_deg[:, 1:])
