"""How often an online localizer is right on drives, and whether its confidence says so."""

import numpy as np

from eval.routes.localizers.online import OnlineLocalizer


def follow(localizer: OnlineLocalizer, query: np.ndarray, drives: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the localizer answers after every panorama of all drives, M panoramas in all.

    Args:
        query: (N, D) the panorama of each place.
        drives: the true places of each.

    Returns:
        confidence (M,): probability of the most probable place.
        right (M,) bool: whether that place is the true one.
        log_true (M,): logarithm of the probability of the true place.
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
    """For each of `bins` equal intervals of confidence with answers: how many, their mean confidence, and the fraction that is right."""
    interval = np.minimum((confidence * bins).astype(int), bins - 1)
    return [(int(n), float(confidence[interval == b].mean()), float(right[interval == b].mean()))
            for b, n in enumerate(np.bincount(interval, minlength=bins)) if n]  # fmt: skip


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al., ICML 2017, eq. 3): |fraction right − mean confidence|, weighted by number of answers."""
    return sum(n * abs(accuracy - mean) for n, mean, accuracy in reliability(confidence, right, bins)) / len(confidence)
