"""Accuracy by route length."""

import numpy as np

from eval.routes.results.accuracy import top1_accuracy, true_tails


def test_right_means_the_last_five_places():
    routes = np.arange(14).reshape(2, 7)
    tails = true_tails(routes)
    assert tails[0, 0].tolist() == [-1, -1, -1, -1, 0] and tails[1, 6].tolist() == [9, 10, 11, 12, 13]
    tails[0, 6, 0] = tails[1, 2, 2] = 5
    assert top1_accuracy(tails, routes).tolist() == [100, 100, 50, 100, 100, 100, 50]
