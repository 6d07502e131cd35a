"""Calibration: one temperature, fitted on logits of the integer network for pictures that it wasn't trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from device.maps import softmax

TEMPERATURES = (0.05, 20.0)
BINS = 10


def negative_log_likelihood(logits: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean over pictures, in nats."""
    chosen = softmax(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature that makes the labels most likely (Guo et al. 2017), by bounded search over its logarithm."""
    found = minimize_scalar(
        lambda t: negative_log_likelihood(logits, labels, float(np.exp(t))),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Reliability:
    """For each bin of confidence in the predicted class: pictures, mean confidence, share that was right (NaN if empty)."""

    n: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def confidence_bin(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of `BINS` bins of equal width each confidence lies in."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Reliability:
    """How sure against how right: the points of a reliability diagram."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bins = confidence_bin(confidence)
    n = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(
            n, np.bincount(bins, confidence, minlength=BINS) / n, np.bincount(bins, right, minlength=BINS) / n
        )


def expected_calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """ECE of the predicted class over `BINS` bins of equal width. Noisy for small n: about 0.1 at n = 80 is chance."""
    found = reliability(probabilities, labels)
    return float(np.nansum(np.abs(found.accuracy - found.confidence) * found.n) / found.n.sum())
