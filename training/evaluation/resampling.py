"""Figures under resampling of patients, for all draws at once.

A figure's interval must know that pictures of one patient are alike: so patients are drawn with replacement, and with
each all of its pictures (cluster bootstrap). A draw is a row of whole-number weights, one for each patient; row 0 is all
ones, which is the table itself. Most figures are ratios of sums over patients, so a thousand draws are one matrix product;
ranks (AUROC, risk–coverage) are weighted cumulative sums along one sort. A thousand draws of ten thousand pictures take
seconds; sklearn's own metrics, called once a draw, would take minutes (the tests compare the two).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS, SEED, LEVEL = 1000, 1, 0.95
CHUNK = 4_000_000  # weights held at a time while sorting along pictures
Floats = NDArray[np.float64]


def patient_weights(patients: int, draws: int = DRAWS) -> Floats:
    """[1 + draws, patients]: how often each patient counts. The first row is the table itself."""
    chance = np.random.default_rng(SEED)
    drawn = chance.multinomial(patients, np.full(patients, 1 / patients), size=draws)
    return np.concatenate([np.ones((1, patients)), drawn])


def ratio(weights: Floats, group: NDArray[np.int64], top: Floats, bottom: Floats | None = None) -> Floats:
    """Σ weight · top / Σ weight · bottom over pictures, a number a draw; NaN where the bottom is 0. `bottom`: ones."""
    patients = weights.shape[1]
    over = np.bincount(group, bottom, minlength=patients)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = (weights @ np.bincount(group, top, minlength=patients)) / (weights @ over)
    return result


def confusion(
    weights: Floats, group: NDArray[np.int64], truth: NDArray[Any], predicted: NDArray[Any], k: int
) -> Floats:
    """[draws, true class, predicted class]: weighted counts."""
    patients = weights.shape[1]
    counts = np.zeros((patients, k, k))
    np.add.at(counts, (group, truth, predicted), 1)
    return (weights @ counts.reshape(patients, -1)).reshape(-1, k, k)


def calibration_error(weights: Floats, group: NDArray[np.int64], bins: NDArray[np.int64], gap: Floats) -> Floats:
    """ECE: `gap` is right (1 or 0) − confidence of each picture, `bins` the bin of its confidence."""
    sums = np.zeros((weights.shape[1], int(bins.max()) + 1))
    np.add.at(sums, (group, bins), gap)
    result: Floats = np.abs(weights @ sums).sum(1) / (weights @ np.bincount(group, minlength=weights.shape[1]))
    return result


def _along(weights: Floats, group: NDArray[np.int64], figure: Callable[[Floats], Floats]) -> Floats:
    """A figure of weights by picture [some draws, n], draws taken in portions that fit into memory."""
    portion = max(1, CHUNK // len(group))
    return np.concatenate(
        [figure(weights[start : start + portion, group]) for start in range(0, len(weights), portion)]
    )


def auroc(weights: Floats, group: NDArray[np.int64], score: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Chance that a positive scores above a negative, ties counted half (Mann–Whitney); NaN where one side is empty."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    hit = positive[order].astype(np.float64)

    def figure(by_picture: Floats) -> Floats:
        above = np.add.reduceat(by_picture * hit, starts, axis=1)
        below = np.add.reduceat(by_picture, starts, axis=1) - above
        passed = np.cumsum(below, axis=1) - below / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            areas: Floats = (above * passed).sum(1) / (above.sum(1) * below.sum(1))
        return areas

    return _along(weights, group[order], figure)


def area_under_risk_coverage(
    weights: Floats, group: NDArray[np.int64], confidence: Floats, right: NDArray[np.bool_]
) -> Floats:
    """Mean, over all pictures, of the error rate among those at least as sure (AURC; Geifman & El-Yaniv 2017)."""
    order = np.argsort(-confidence, kind="stable")
    starts = np.flatnonzero(np.diff(-confidence[order], prepend=-np.inf))
    wrong = (~right[order]).astype(np.float64)

    def figure(by_picture: Floats) -> Floats:
        here = np.add.reduceat(by_picture, starts, axis=1)
        risk = np.cumsum(np.add.reduceat(by_picture * wrong, starts, axis=1), axis=1)
        areas: Floats = (here * risk / np.maximum(np.cumsum(here, axis=1), 1)).sum(1) / here.sum(1)
        return areas

    return _along(weights, group[order], figure)


def interval(values: Floats) -> dict[str, float | None]:
    """`value` (draw 0), `low` and `high` of the 95 % percentile interval over the other draws.

    Draws without a value (a class that no drawn patient has) are left out; without one patient to vary, or with half of
    the draws left out, there is no interval. None stands for no number.
    """
    drawn = values[1:][np.isfinite(values[1:])]
    value = float(values[0]) if np.isfinite(values[0]) else None
    if value is None or len(drawn) <= (len(values) - 1) / 2:
        return {"value": None if value is None else round(value, 5), "low": None, "high": None}
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": round(value, 5), "low": round(float(low), 5), "high": round(float(high), 5)}
