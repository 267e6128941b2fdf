"""Simulated drives: how often panoramas are missed and repeated, and where a drive goes on elsewhere."""

import itertools

import numpy as np
import pytest

from eval.routes.graphs.drives import disturbed, kidnapped


def test_drives_that_go_wrong():
    routes = np.arange(40).reshape(2, 20)
    missed, repeated = (list(itertools.chain(*disturbed(np.arange(10_000).reshape(-1, 50), np.random.default_rng(0), *p)))
                        for p in ((0.2, 0), (0, 0.3)))  # fmt: skip
    assert len(set(missed)) == len(missed) == pytest.approx(8000, rel=0.02)
    assert len(set(repeated)) == 10_000 and len(repeated) == pytest.approx(13_000, rel=0.02)
    assert [drive.tolist() for drive in kidnapped(routes)] == [[*range(10), *range(30, 40)], [*range(20, 30), *range(10, 20)]]
