"""Fitting the gate on outputs of the integer network.

Centre and whitening come from the training and calibration parts together. The conformal scores are cross-fitted: each
group's pictures are scored by a distance that was fitted on the other groups (Vovk 2015), so that every picture counts
and none scores itself. The network did train on most of them; at the early and middle layers that doesn't make them less
strange (docs/decisions.md). The limits of the first question are the extremes of all these pictures, with room
(`MARGIN`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from device.gate import MADE, SHOWS, distance, picture_statistics, pooled
from device.runtime import Network

# Which output answers which question, by which statistics over places. Chosen in docs/decisions.md.
QUESTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {MADE: ("early", ("mean", "std")), SHOWS: ("middle", ("mean",))}
MARGIN = 2.0
DARKEST, BRIGHTEST = 40.0, 250.0


@dataclass(frozen=True)
class Distance:
    """Centre [d] and whitening [d, d] of one question."""

    centre: NDArray[np.float64]
    whitening: NDArray[np.float64]

    def scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([distance(row, self.centre, self.whitening) for row in rows])


def fit_distance(rows: NDArray[np.float64]) -> Distance:
    """Ledoit–Wolf Mahalanobis distance of pooled outputs [n, d], standardised first so that shrinkage treats all alike."""
    centre, spread = rows.mean(0), rows.std(0) + 1e-9
    precision = LedoitWolf().fit((rows - centre) / spread).precision_
    values, vectors = np.linalg.eigh(precision)
    return Distance(centre, (vectors * np.sqrt(np.maximum(values, 0))) / spread[:, None])


def cross_scores(rows: NDArray[np.float64], groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Each picture's score [n] by a distance fitted on the pictures of all other groups."""
    scores = np.zeros(len(rows))
    for group in np.unique(groups):
        inside = groups == group
        scores[inside] = fit_distance(rows[~inside]).scores(rows[inside])
    return scores


def pooled_rows(network: Network, pictures: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float64]]:
    """Each question's pooled outputs [n, d] of pictures uint8 [h, w, 3]."""
    rows: dict[str, list[NDArray[np.float64]]] = {question: [] for question in QUESTIONS}
    for picture in pictures:
        outputs = network.run(picture)
        for question, (output, statistics) in QUESTIONS.items():
            rows[question].append(pooled(outputs[output], network.outputs[output], statistics))
    return {question: np.stack(found) for question, found in rows.items()}


def picture_limits(pictures: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """Limits of the first question: twice as far as any proper picture, darkest and brightest by general rule."""
    seen = [asdict(picture_statistics(picture)) for picture in pictures]
    least = {name: min(row[name] for row in seen) for name in seen[0]}
    brightest = max(row["luminance"] for row in seen)
    return {
        "min_contrast": least["contrast"] / MARGIN,
        "min_tissue": least["tissue"] / MARGIN,
        "min_luminance": min(DARKEST, least["luminance"] / MARGIN),
        "max_luminance": max(BRIGHTEST, brightest),
        "min_sharpness": least["sharpness"] / MARGIN,
    }
