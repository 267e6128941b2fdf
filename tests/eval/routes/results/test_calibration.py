"""Calibration of confidences."""

import numpy as np
import pytest

from eval.routes.results.calibration import calibration_error


def test_calibration_error_of_known_answers():
    assert calibration_error(np.array([0.25] * 4 + [1.0] * 2), np.array([1, 0, 0, 0, 1, 1])) == pytest.approx(0)
    assert calibration_error(np.array([0.95, 0.95, 0.15, 0.15]), np.array([1, 0, 0, 0])) == pytest.approx((0.45 + 0.15) / 2)
