"""The gate's promise, put to the test by simulation: it may be broken by chance no more often than it says."""

from __future__ import annotations

import numpy as np
import pytest

from device.reading.rate_bound import bound_rate

TRIALS = 600
ODDS_OF_A_FALSE_ALARM = 3.3  # standard errors


@pytest.mark.parametrize(
    ("patients", "pictures", "alpha", "confidence"),
    [(60, 1, 0.05, 0.9), (320, 1, 0.05, 0.9), (40, 12, 0.1, 0.8), (25, (1, 40), 0.15, 0.9)],
    ids=["one picture each", "many patients", "dozens of pictures each", "few patients, uneven"],
)
def test_a_promise_is_broken_no_more_often_than_it_says(
    patients: int, pictures: int | tuple[int, int], alpha: float, confidence: float
) -> None:
    """Patients differ in how strange all their pictures are; the true share refused of new patients' pictures is known."""
    chance = np.random.default_rng(patients)
    new = chance.normal(
        0, 1, 20_000
    )  # new patients, one picture each: the share refused is that of a picture of theirs
    fresh = new + chance.normal(0, 1, 20_000)
    broken = 0
    for _ in range(TRIALS):
        counts = chance.integers(*pictures, patients) if isinstance(pictures, tuple) else np.full(patients, pictures)
        of = np.repeat(np.arange(patients), counts)
        scores = chance.normal(0, 1, patients)[of] + chance.normal(0, 1, len(of))
        bound = bound_rate(scores, of.astype(str), alpha, confidence)
        broken += (fresh > bound.threshold).mean() > bound.alpha
    allowed = 1 - confidence
    assert broken / TRIALS <= allowed + ODDS_OF_A_FALSE_ALARM * np.sqrt(allowed * (1 - allowed) / TRIALS)


def test_more_patients_let_the_gate_be_stricter() -> None:
    chance = np.random.default_rng(0)
    scores = chance.normal(0, 1, 2000)
    few = bound_rate(scores[:80], np.arange(80).astype(str), 0.05, 0.9)
    many = bound_rate(scores, np.arange(2000).astype(str), 0.05, 0.9)
    assert many.threshold < few.threshold
    assert (scores > many.threshold).mean() > 0.03


def test_too_few_patients_promise_less_and_say_so() -> None:
    bound = bound_rate(np.arange(20.0), np.arange(20).astype(str), 0.05, 0.9)
    assert bound.threshold == 19
    assert bound.alpha == pytest.approx(1 - 0.1 ** (1 / 20), abs=1e-3)


def test_pictures_that_are_refused_anyway_count_as_refused() -> None:
    scores = np.concatenate([np.linspace(0, 1, 97), [np.inf] * 3])
    bound = bound_rate(scores, np.arange(100).astype(str), 0.05, 0.9)
    assert np.isfinite(bound.threshold)
    assert bound.alpha > 0.05
