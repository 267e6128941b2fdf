"""Accuracy of localized routes by route length."""

import numpy as np

from eval.routes.localizers.localizer import TAIL


def true_tails(routes: np.ndarray) -> np.ndarray:
    """(R, L, TAIL) int32: the last places of routes (R, L) after each step, −1 in front, as a localizer returns them."""
    padded = np.pad(routes, ((0, 0), (TAIL - 1, 0)), constant_values=-1)
    return np.lib.stride_tricks.sliding_window_view(padded, TAIL, axis=1).astype(np.int32)


def top1_accuracy(tails: np.ndarray, routes: np.ndarray) -> np.ndarray:
    """Percentage of routes whose last TAIL places are right (all places of a shorter one), for route lengths 1 to L.

    Args:
        tails: (R, L, TAIL) as a localizer returns them.
        routes: (R, L) true places.

    Returns:
        (L,) float64.
    """
    return 100 * (tails == true_tails(routes)).all(2).sum(0) / len(routes)
