"""Calibration on logits whose right temperature is known."""

from __future__ import annotations

import numpy as np
import pytest

from device.reading.maps import softmax
from training.errors import TableError
from training.evaluation.calibrate import expected_calibration_error, fit_calibration, fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    chance = np.random.default_rng(1)
    logits = chance.normal(0, 3, (20000, 4))
    labels = (softmax(logits, temperature).cumsum(1) > chance.random((20000, 1))).argmax(1)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)
    assert expected_calibration_error(softmax(logits, temperature), labels) < 0.02


def test_an_offset_sets_classes_right_whatever_share_of_a_patient_they_are() -> None:
    """Two patients, logits too sharp and askew by 1.5; most pictures are of one of them, most of hers of class 1."""
    chance = np.random.default_rng(1)
    groups = np.repeat(["few", "many"], [2000, 18000])
    labels = (chance.random(20000) < np.where(groups == "few", 0.5, 0.95)).astype(np.int64)
    evidence = chance.normal(2 * labels - 1, 1)  # the log-odds of a class when both are as frequent: 2 · evidence
    logits = np.stack([np.zeros(20000), 2 * (2 * evidence) + 1.5], 1)
    found = fit_calibration(logits, labels, groups)
    assert found.temperature == pytest.approx(2, rel=0.06)
    assert found.offsets == pytest.approx([0.75, -0.75], abs=0.1)
    even = groups == "few"
    assert expected_calibration_error(found.probabilities(logits[even]), labels[even]) < 0.03
    assert fit_calibration(logits, labels).offsets.tolist() == [0, 0]


def test_an_offset_needs_every_class() -> None:
    with pytest.raises(TableError, match="class number 2"):
        fit_calibration(np.zeros((4, 3)), np.array([0, 1, 0, 1]), np.array(["a", "a", "b", "b"]))


def test_overconfidence_shows_in_the_calibration_error() -> None:
    sure = np.tile([0.99, 0.01], (100, 1))
    labels = np.array([0, 1] * 50)
    assert expected_calibration_error(sure, labels) == pytest.approx(0.49)
