"""How often an online localizer is right on drives, and whether its confidence says so."""

import numpy as np

from eval.routes.localizers.online import OnlineLocalizer


def follow(localizer: OnlineLocalizer, query: np.ndarray, drives: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the localizer says after every panorama of every drive, one after the other.

    Args:
        query: (N, D) the panorama of each place.
        drives: true places of each.

    Returns:
        confidence (M,): probability of the most probable place, right (M,) bool: whether it is the true one, and log_true (M,): the
        logarithm of the probability of the true place.
    """
    confidence, right, log_true = [], [], []
    for drive in drives:
        localizer.reset()
        for place in drive:
            probability = localizer.step(query[place])
            best = probability.argmax()
            confidence.append(probability[best])
            right.append(best == place)
            log_true.append(np.log(max(probability[place], 1e-300)))
    return np.array(confidence), np.array(right), np.array(log_true)


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> list[tuple[int, float, float]]:
    """Number, mean confidence and fraction right of the answers in each of `bins` equal intervals of confidence that is not empty."""
    interval = np.minimum((confidence * bins).astype(int), bins - 1)
    return [(int(n), float(confidence[interval == b].mean()), float(right[interval == b].mean()))
            for b, n in enumerate(np.bincount(interval, minlength=bins)) if n]  # fmt: skip


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al., ICML 2017, eq. 3): |fraction right − mean confidence|, weighted by number."""
    return sum(n * abs(accuracy - mean) for n, mean, accuracy in reliability(confidence, right, bins)) / len(confidence)
