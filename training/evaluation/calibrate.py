"""Calibration, fitted on logits of the integer network for pictures that it wasn't trained on: one temperature and, where a
recipe asks for them, an offset for each class.

Offsets answer that a network's classes can lie askew for patients it hasn't met, though it ranks their pictures well: where
most patients to learn from have pictures of one class alone, that class is told too readily. Each class of each patient
counts alike, so that no patient's share of a class decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp

from device.reading.manifest import CalibrationFacts
from device.reading.maps import softmax
from training.errors import TableError

TEMPERATURES = (0.05, 20.0)
BINS = 10
LARGEST_SHIFT = 10.0  # nats; a set whose classes lie further askew has another fault


def negative_log_likelihood(logits: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean over pictures, in nats."""
    chosen = softmax(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature that makes the labels most likely (Guo et al. 2017), by bounded search over its logarithm."""
    best = minimize_scalar(
        lambda t: negative_log_likelihood(logits, labels, float(np.exp(t))),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    return float(np.exp(best.x))


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities: softmax((logit + offset) / temperature). `offsets`: float64 [classes], mean 0."""

    temperature: float
    offsets: NDArray[np.float64]

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, classes] from the network's logits [n, classes]."""
        return softmax(logits + self.offsets, self.temperature)

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """As a report has it: offsets by class, left out where there are none."""
        offsets = self._offsets_by_class(labels)
        return {"temperature": self.temperature} | ({"offsets": offsets} if offsets else {})

    def facts(self, labels: Sequence[str], *, n: int, ece: float) -> CalibrationFacts:
        """As a bundle's manifest has it; `n` pictures it was fitted on, and the calibration error that is left."""
        offsets = self._offsets_by_class(labels)
        return CalibrationFacts(temperature=self.temperature, offsets=offsets or UNSET, n=n, ece=ece)

    def _offsets_by_class(self, labels: Sequence[str]) -> dict[str, float]:
        return dict(zip(labels, self.offsets.round(4).tolist(), strict=True)) if self.offsets.any() else {}


def fit_calibration(
    logits: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[Any] | None = None
) -> Calibration:
    """A temperature or, with the patient of each picture, the temperature and offsets that together make the labels most
    likely when each class of each patient counts alike. Offsets raise `TableError` when a class has no picture."""
    classes = logits.shape[1]
    if groups is None:
        return Calibration(fit_temperature(logits, labels), np.zeros(classes))
    if missing := sorted(set(range(classes)) - set(labels.tolist())):
        raise TableError(
            f"no picture of class number {missing[0]} to fit its offset on: set calibration.offsets = false, or split so "
            "that each class is on several sides"
        )
    patients = np.unique(groups, return_inverse=True)[1]
    alike = 1 / np.bincount(patients * classes + labels)[patients * classes + labels]
    alike /= alike.sum()
    truth = np.eye(classes)[labels]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Convex in the sharpness 1 / temperature and the shifts offset / temperature; with its gradient."""
        scores = parameters[0] * logits + parameters[1:]
        excess = np.exp(scores - logsumexp(scores, axis=1, keepdims=True)) - truth
        value = alike @ (logsumexp(scores, axis=1) - (scores * truth).sum(1))
        return value, np.array([alike @ (excess * logits).sum(1), *(alike @ excess)])

    coolest, hottest = TEMPERATURES
    bounds = [(1 / hottest, 1 / coolest)] + classes * [(-LARGEST_SHIFT, LARGEST_SHIFT)]
    sharpness, *shifts = minimize(loss, np.array([1.0, *classes * [0.0]]), jac=True, bounds=bounds).x
    return Calibration(float(1 / sharpness), (np.array(shifts) - np.mean(shifts)) / sharpness)


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
    bins = reliability(probabilities, labels)
    return float(np.nansum(np.abs(bins.accuracy - bins.confidence) * bins.n) / bins.n.sum())
