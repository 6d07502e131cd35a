"""The gate's rules on their own: conformal p-values, thresholds and the picture's statistics."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFilter

from device.gate import Answer, Verdict, conformal_p, conformal_threshold, picture_statistics, pooled
from device.runtime import Quantization
from training.phantoms import KINDS, draw


@pytest.mark.parametrize(("n", "alpha"), [(40, 0.025), (100, 0.05), (19, 0.05), (500, 0.1)])
def test_exchangeable_pictures_are_refused_at_most_at_alpha(n: int, alpha: float) -> None:
    """Split-conformal: over many calibration sets, a new score of the same law passes with probability ≥ 1 − alpha."""
    chance = np.random.default_rng(n)
    refused = []
    for _ in range(4000):
        scores = chance.gamma(2.0, size=n + 1)
        refused.append(scores[-1] > conformal_threshold(np.sort(scores[:-1]), alpha))
    assert np.mean(refused) <= alpha + 3 * np.sqrt(alpha / 4000)
    assert np.mean(refused) >= alpha - 1 / (n + 1) - 3 * np.sqrt(alpha / 4000)


def test_threshold_and_p_value_say_the_same() -> None:
    calibration = np.arange(1.0, 41.0)
    for alpha in (0.01, 0.024, 0.025, 0.05, 0.2):
        threshold = conformal_threshold(calibration, alpha)
        for score in np.arange(0.0, 42.0, 0.5):
            assert (score > threshold) == (conformal_p(score, calibration) < alpha - 1e-12)


def test_too_few_calibration_pictures_refuse_nothing() -> None:
    assert conformal_threshold(np.arange(10.0), 0.05) == float("inf")


def test_pooling_matches_floats() -> None:
    output = np.random.default_rng(0).integers(-128, 128, (5, 7, 3)).astype(np.int8)
    real = (output.astype(float) + 4) * 0.5
    expected = np.concatenate([real.mean((0, 1)), real.std((0, 1))])
    assert np.allclose(pooled(output, Quantization(0.5, -4), ("mean", "std")), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_blur_lowers_sharpness_and_contrast_does_not(kind: str) -> None:
    field = Pillow.fromarray(draw(kind, 3).pixels)
    sharp = picture_statistics(np.asarray(field)).sharpness
    soft = picture_statistics(np.asarray(field.filter(ImageFilter.GaussianBlur(3)))).sharpness
    pale = picture_statistics((np.asarray(field) // 2 + 100).astype(np.uint8)).sharpness
    assert soft < 0.6 * sharp
    assert pale == pytest.approx(sharp, rel=0.15)


def test_tissue_is_what_absorbs_light() -> None:
    white = np.full((64, 64, 3), 245, np.uint8)
    pink = white.copy()
    pink[:32, :, 1] = 120
    assert picture_statistics(white).tissue == 0
    assert picture_statistics(pink).tissue == pytest.approx(0.5)


def test_a_rare_but_accepted_picture_is_read_with_caution() -> None:
    common = Answer("made", True, 1.0, 2.0, 0.4)
    assert Verdict((common, Answer("shows", True, 1.9, 2.0, 0.03)), None).caution
    assert not Verdict((common,), None).caution
    assert not Verdict((Answer("shows", False, 3.0, 2.0, 0.01),), "unknown_content").caution
