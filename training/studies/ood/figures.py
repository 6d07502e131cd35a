"""AUROC, AUPR and FPR at 95 % TPR of scores, with intervals, averaged over folds.

Scores of different folds come from different networks and don't compare: each figure is taken within a fold, then averaged,
weighted by the fold's proper pictures. Intervals resample units: groups of proper pictures, with the corruptions made from
them, and foreign pictures, the same in all folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.resampling import interval, patient_weights
from training.studies.ood.score import Scored

DRAWS = 400
TRUE_POSITIVES = 0.95
NAMES = ("auroc", "aupr", "fpr95")
Floats = NDArray[np.float64]
Interval = dict[str, float | None]


def ranked(weights: Floats, score: Floats, foreign: NDArray[np.bool_]) -> Floats:
    """AUROC, AUPR and FPR at 95 % TPR [draws, 3] of pictures weighted by `weights` [draws, n]; NaN where one side is empty.

    AUROC: chance that a foreign picture scores above a proper one, ties half. AUPR: average precision of finding foreign
    pictures, both sides weighted alike, so that sets of different sizes compare (chance is 0.5). FPR: share of foreign
    pictures accepted where 95 % of proper ones are.
    """
    order = np.argsort(-score, kind="stable")  # the strangest first
    starts = np.flatnonzero(np.diff(score[order], prepend=np.inf))
    by_picture, hit = weights[:, order], foreign[order].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        detected = np.add.reduceat(by_picture * hit, starts, axis=1)
        wrong = np.add.reduceat(by_picture * (1 - hit), starts, axis=1)
        detected, wrong = detected / detected.sum(1, keepdims=True), wrong / wrong.sum(1, keepdims=True)
        recall, refused = detected.cumsum(1), wrong.cumsum(1)
        auroc = (detected * (1 - refused + wrong / 2)).sum(1)
        aupr = (detected * recall / (recall + refused)).sum(1)
    # The last threshold at which at most 5 % of proper pictures are refused; before the first, nothing is.
    allowed = refused <= 1 - TRUE_POSITIVES + 1e-9
    fpr = np.maximum(1 - np.where(allowed, recall, 0).max(1), 0)
    fpr[~np.isfinite(auroc)] = np.nan
    return np.stack([auroc, aupr, fpr], 1)


@dataclass(frozen=True)
class Resampling:
    """`weights` [1 + draws, units] of `units`, sorted; row 0 is all ones. One resampling serves every set and candidate, so
    that draws of different sets can be averaged."""

    units: NDArray[np.str_]
    weights: Floats

    def of(self, named: NDArray[np.str_]) -> Floats:
        """The weights [1 + draws, n] of n rows by the names of their units."""
        return self.weights[:, np.searchsorted(self.units, named)]


def resampling(tables: Iterable[Mapping[str, Scored]], draws: int) -> Resampling:
    """Draws of all units of a benchmark, of proper groups and of foreign pictures apart; no draws, the rows themselves."""
    groups: set[str] = set()
    everyone: set[str] = set()
    for table in tables:
        for scored in table.values():
            groups.update(scored.proper_units.tolist())
            everyone.update(scored.proper_units.tolist(), scored.units.tolist())
    foreign = sorted(everyone - groups)
    parts = [patient_weights(len(named), draws) for named in (sorted(groups), foreign) if named]
    names, weights = np.array([*sorted(groups), *foreign]), np.concatenate(parts, 1)
    order = np.argsort(names)
    return Resampling(names[order], weights[:, order])


def _folded(
    parts: Sequence[tuple[Floats, Floats, NDArray[np.str_], NDArray[np.str_]]], drawn: Resampling | None
) -> Floats:
    """[1 + draws, 3], averaged over folds; each part is foreign scores, proper scores and the units of both."""
    total, share = 0.0, 0.0
    for foreign, proper, foreign_units, proper_units in parts:
        named, positive = (
            np.concatenate([foreign_units, proper_units]),
            np.arange(len(foreign) + len(proper)) < len(foreign),
        )
        weights = drawn.of(named) if drawn else np.ones((1, len(named)))
        figures = ranked(weights, np.concatenate([foreign, proper]), positive)
        counts = weights[:, ~positive].sum(1, keepdims=True) * np.isfinite(figures[:, :1])
        total = total + np.where(counts > 0, figures, 0) * counts
        share = share + counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / share)


def by_picture(scored: Sequence[Scored], drawn: Resampling | None = None) -> Floats:
    """AUROC, AUPR, FPR [1 + draws, 3] of one candidate on one set, its folds given."""
    return _folded([(s.foreign, s.proper, s.units, s.proper_units) for s in scored], drawn)


def by_cell(scored: Sequence[Scored], drawn: Resampling | None = None) -> Floats | None:
    """The same of single cells; None where the candidate scores none."""
    parts = []
    for s in scored:
        if s.cells is None or s.proper_cells is None or s.cell_of is None or s.proper_cell_of is None:
            return None
        parts.append((s.cells, s.proper_cells, s.units[s.cell_of], s.proper_units[s.proper_cell_of]))
    return _folded(parts, drawn)


def intervals(values: Floats) -> dict[str, Interval]:
    """Each figure by name, with its 95 % interval."""
    return {name: interval(values[:, number]) for number, name in enumerate(NAMES)}
