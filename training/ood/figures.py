"""AUROC, AUPR and FPR at 95 % TPR of scores, with intervals, averaged over folds.

Scores of different folds come from different networks and don't compare, so each figure is taken within a fold and averaged,
weighted by the fold's proper pictures. Intervals resample units: groups of proper pictures, with the corruptions made from
them, and foreign pictures, the same in all folds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.evaluation.resampling import interval, patient_weights
from training.ood.score import Scored

DRAWS = 400
TRUE_POSITIVES = 0.95
NAMES = ("auroc", "aupr", "fpr95")
Floats = NDArray[np.float64]
Interval = dict[str, float | None]


def ranked(weights: Floats, score: Floats, foreign: NDArray[np.bool_]) -> Floats:
    """AUROC, AUPR and FPR at 95 % TPR [draws, 3] of pictures weighted by `weights` [draws, n]; NaN where one side is empty.

    AUROC: chance that a foreign picture scores above a proper one, ties half. AUPR: average precision of finding the foreign
    pictures, both sides weighted alike, so that sets of different sizes compare (chance is 0.5). FPR: share of foreign
    pictures accepted where 95 % of proper ones are.
    """
    order = np.argsort(-score, kind="stable")  # the strangest first
    starts = np.flatnonzero(np.diff(score[order], prepend=np.inf))
    by_picture, hit = weights[:, order], foreign[order].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.add.reduceat(by_picture * hit, starts, axis=1)
        wrong = np.add.reduceat(by_picture * (1 - hit), starts, axis=1)
        found, wrong = found / found.sum(1, keepdims=True), wrong / wrong.sum(1, keepdims=True)
        recall, refused = found.cumsum(1), wrong.cumsum(1)
        auroc = (found * (1 - refused + wrong / 2)).sum(1)
        aupr = (found * recall / (recall + refused)).sum(1)
    # The last threshold at which at most 5 % of proper pictures are refused; before the first, nothing is.
    allowed = refused <= 1 - TRUE_POSITIVES + 1e-9
    fpr = 1 - np.where(allowed, recall, 0).max(1)
    fpr[~np.isfinite(auroc)] = np.nan
    return np.stack([auroc, aupr, fpr], 1)


def _folded(parts: Sequence[tuple[Floats, Floats, NDArray[np.str_], NDArray[np.str_]]], draws: int) -> Floats:
    """[1 + draws, 3], averaged over folds; each part is foreign scores, proper scores and the units of both."""
    units = np.unique(np.concatenate([named for part in parts for named in part[2:]]))
    weights = patient_weights(len(units), draws) if draws else np.ones((1, len(units)))
    total = np.zeros((len(weights), 3))
    share = np.zeros((len(weights), 1))
    for foreign, proper, foreign_units, proper_units in parts:
        index = np.searchsorted(units, np.concatenate([foreign_units, proper_units]))
        positive = np.arange(len(index)) < len(foreign)
        by_picture = weights[:, index]
        found = ranked(by_picture, np.concatenate([foreign, proper]), positive)
        counts = by_picture[:, ~positive].sum(1, keepdims=True) * np.isfinite(found[:, :1])
        total += np.where(counts > 0, found, 0) * counts
        share += counts
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = total / share
    return result


def by_picture(scored: Sequence[Scored], draws: int = 0) -> Floats:
    """AUROC, AUPR, FPR [1 + draws, 3] of one candidate on one set, its folds given."""
    return _folded([(s.foreign, s.proper, s.units, s.proper_units) for s in scored], draws)


def by_cell(scored: Sequence[Scored], draws: int = 0) -> Floats | None:
    """The same of single cells; None where the candidate scores none."""
    parts = []
    for s in scored:
        if s.cells is None or s.proper_cells is None or s.cell_units is None or s.proper_cell_units is None:
            return None
        parts.append((s.cells, s.proper_cells, s.cell_units, s.proper_cell_units))
    return _folded(parts, draws)


def intervals(values: Floats) -> dict[str, Interval]:
    """Each figure by name, with its 95 % interval."""
    return {name: interval(values[:, number]) for number, name in enumerate(NAMES)}
