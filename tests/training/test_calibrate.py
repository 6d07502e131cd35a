"""Calibration on logits whose right temperature is known."""

from __future__ import annotations

import numpy as np
import pytest

from device.maps import softmax
from training.calibrate import expected_calibration_error, fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    chance = np.random.default_rng(1)
    logits = chance.normal(0, 3, (20000, 4))
    labels = (softmax(logits, temperature).cumsum(1) > chance.random((20000, 1))).argmax(1)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)
    assert expected_calibration_error(softmax(logits, temperature), labels) < 0.02


def test_overconfidence_shows_in_the_calibration_error() -> None:
    sure = np.tile([0.99, 0.01], (100, 1))
    labels = np.array([0, 1] * 50)
    assert expected_calibration_error(sure, labels) == pytest.approx(0.49)
