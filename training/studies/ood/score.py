"""Scores of every candidate, a detector at a depth and a level, on every set, fold by fold.

Levels: a row a picture (means over it; means and spreads), or a row a cell of a grid, the picture then taking the mean or
a high quantile of its cells. A candidate is fitted on the fold's fitting pictures and scores the foreign pictures and the
fold's proper ones, which neither it nor the network has seen.

Two detectors need care. The classifier learns from foreign pictures, so each validation set is scored by one that was
taught without that set. A combination of depths adds scores that must first be comparable: each is standardised by those of
fitting pictures under a detector that was fitted without their group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from training.data.pictures import counted
from training.studies.ood.collect import DEPTHS, FIT, PROPER_SET, TEACH, Collected
from training.studies.ood.detectors import (
    AUTOENCODER,
    CLASSIFIER,
    GATE,
    LAST_LAYER,
    LOGITS,
    ROWS,
    LastLayer,
    Scorer,
    Scores,
    fit_classifier,
)

MEANS, SPREADS, CELLS_MEAN, CELLS_HIGH = "means", "means and spreads", "cells, mean", "cells, high"
CELL_LEVELS = {
    CELLS_MEAN: lambda values: float(values.mean()),
    CELLS_HIGH: lambda values: float(np.quantile(values, HIGH)),
}
HIGH = 0.9
CELLS_FITTED = 4000
LEFT_OUT = "class "
FEWEST_CLASSES = 3
"""A class is left out only where at least two others stay."""
COMBINED = ("Mahalanobis", "kNN", "PCA residual")
COMBINATIONS: Mapping[str, tuple[str, ...]] = {
    "early + middle": ("early", "middle"),
    "early + middle + features": DEPTHS,
}
JOINS: Mapping[str, Callable[[Scores], Scores]] = {"sum": lambda rows: rows.mean(0), "worst": lambda rows: rows.max(0)}
INNER_FOLDS = 4
TIMED = 20


@dataclass(frozen=True)
class Candidate:
    """A detector at a depth (or a combination of depths, `logits`, `pixels`) and a level."""

    detector: str
    depth: str
    level: str

    def __str__(self) -> str:
        return f"{self.detector}; {self.depth}; {self.level}"


@dataclass(frozen=True)
class Scored:
    """One candidate's scores on one set of one fold: of the foreign pictures [n] and the proper ones [p] that they are held
    against; where there are any, `cells` and `proper_cells` of their single cells, `cell_of` and `proper_cell_of` saying of
    which picture each is. `units` [n], `proper_units` [p]: what a resampling keeps together."""

    foreign: Scores
    proper: Scores
    units: NDArray[np.str_]
    proper_units: NDArray[np.str_]
    cells: Scores | None = None
    proper_cells: Scores | None = None
    cell_of: NDArray[np.int64] | None = None
    proper_cell_of: NDArray[np.int64] | None = None


Table = dict[Candidate, dict[str, Scored]]
Rowing = Callable[[Collected], NDArray[np.float32]]


@dataclass(frozen=True)
class FoldScores:
    """A fold's scores and each candidate's median time for one picture, ms, of the detector alone."""

    table: Table
    milliseconds: dict[Candidate, float]


def _cell_rows(numbers: Collected, depth: str) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = getattr(numbers, f"cell_{depth}")
    return rows


def _picture_rows(numbers: Collected, depth: str, level: str) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = getattr(numbers, depth)
    return rows if level == SPREADS else rows[:, : rows.shape[1] // 2]


def _thin(count: int) -> NDArray[np.int64]:
    """At most `CELLS_FITTED` of so many rows, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, CELLS_FITTED)).astype(np.int64))


def _by_picture(cells: Scores, numbers: Collected, level: str) -> Scores:
    starts = np.flatnonzero(np.diff(numbers.cell_of, prepend=-1))
    return np.array([CELL_LEVELS[level](part) for part in np.split(cells, starts[1:])])


def _scored(foreign: Collected, proper: Collected, scores: tuple[Scores, Scores], level: str) -> Scored:
    """From scores of foreign and proper rows; at a cell level, rows are cells."""
    if level not in CELL_LEVELS:
        return Scored(*scores, foreign.unit, proper.unit)
    return Scored(
        _by_picture(scores[0], foreign, level),
        _by_picture(scores[1], proper, level),
        foreign.unit,
        proper.unit,
        *scores,
        foreign.cell_of,
        proper.cell_of,
    )


@dataclass(frozen=True)
class _Bench:
    """One fold's numbers: `fit`, `proper`, and the foreign sets by name; the head; what the classifier is taught. `table`
    and `milliseconds` grow by `put`."""

    fit: Collected
    proper: Collected
    sets: Mapping[str, Collected]
    taught: Mapping[str, Collected]
    head: LastLayer
    table: Table = field(default_factory=dict)
    milliseconds: dict[Candidate, float] = field(default_factory=dict)

    def put(self, candidate: Candidate, name: str, foreign: Scores, proper: Scores) -> None:
        """Scores of a set's rows and of the proper pictures'; those of cells at both levels of a picture."""
        numbers = self.sets[name]
        for each in _levels(candidate):
            self.table.setdefault(each, {})[name] = _scored(numbers, self.proper, (foreign, proper), each.level)

    def add(self, candidate: Candidate, rows: Rowing, score: Scorer) -> None:
        """Score all sets with one scorer, and time it."""
        proper = score(rows(self.proper))
        for name, numbers in self.sets.items():
            self.put(candidate, name, score(rows(numbers)), proper)
        self.time(candidate, [(rows, score)])

    def time(self, candidate: Candidate, work: Sequence[tuple[Rowing, Scorer]]) -> None:
        """The median time that one picture's rows take."""
        times = []
        for number in range(min(TIMED, len(self.proper))):
            picture = self.proper.take(np.arange(len(self.proper)) == number)
            one = [(rows(picture), score) for rows, score in work]
            start = perf_counter()
            for given, score in one:
                score(given)
            times.append((perf_counter() - start) * 1e3)
        self.milliseconds.update(dict.fromkeys(_levels(candidate), float(np.median(times))))


def _levels(candidate: Candidate) -> Iterable[Candidate]:
    if candidate.level not in CELL_LEVELS:
        return (candidate,)
    return (Candidate(candidate.detector, candidate.depth, level) for level in CELL_LEVELS)


def _rows_of(depth: str, level: str) -> Rowing:
    if level in CELL_LEVELS:
        return lambda numbers: _cell_rows(numbers, depth)
    return lambda numbers: _picture_rows(numbers, depth, level)


def _labels_of(numbers: Collected, level: str) -> NDArray[np.int64]:
    return numbers.label[numbers.cell_of] if level in CELL_LEVELS else numbers.label


def _fit_on(numbers: Collected, depth: str, level: str, fit: Callable[..., Scorer]) -> Scorer:
    rows, labels = _rows_of(depth, level)(numbers), _labels_of(numbers, level)
    chosen = _thin(len(rows)) if level in CELL_LEVELS else np.arange(len(rows))
    return fit(rows[chosen], labels[chosen])


def _left_out(bench: _Bench, candidate: Candidate, names: Sequence[str]) -> None:
    """Each class in turn is unknown to the detector (the network was fitted on it). By picture alone."""
    present = np.unique(bench.fit.label)
    rows = _rows_of(candidate.depth, candidate.level)
    for label in present if len(present) >= FEWEST_CLASSES else ():
        inside = bench.proper.label == label
        if inside.any() and not inside.all():
            fitted = bench.fit.take(bench.fit.label != label)
            score = _fit_on(fitted, candidate.depth, candidate.level, ROWS[candidate.detector])
            unknown, known = bench.proper.take(inside), bench.proper.take(~inside)
            bench.table[candidate][f"{LEFT_OUT}{names[label]}"] = _scored(
                unknown, known, (score(rows(unknown)), score(rows(known))), candidate.level
            )


def _teach(bench: _Bench, depth: str, level: str) -> None:
    rows = _rows_of(depth, level)

    def taught(without: str | None) -> Scorer:
        foreign = np.concatenate([rows(numbers) for name, numbers in bench.taught.items() if name != without])
        proper = rows(bench.fit)
        if level in CELL_LEVELS:
            foreign, proper = foreign[_thin(len(foreign))], proper[_thin(len(proper))]
        return fit_classifier(proper, foreign)

    candidate, whole = Candidate(CLASSIFIER, depth, level), taught(None)
    for name, numbers in bench.sets.items():
        score = taught(name) if name in bench.taught else whole
        bench.put(candidate, name, score(rows(numbers)), score(rows(bench.proper)))
    bench.time(candidate, [(rows, whole)])


def _standardised(bench: _Bench, depth: str, level: str, name: str) -> Scorer:
    """A detector whose scores of unseen proper rows have mean 0 and deviation 1."""
    fit, rows = ROWS[name], _rows_of(depth, level)
    inner = []
    groups = bench.fit.unit
    folds = GroupKFold(min(INNER_FOLDS, len(np.unique(groups)))).split(groups, groups=groups)
    for rest, tested in folds:
        part, seen = np.isin(np.arange(len(groups)), tested), np.isin(np.arange(len(groups)), rest)
        held_rows = rows(bench.fit.take(part))
        inner.append(_fit_on(bench.fit.take(seen), depth, level, fit)(held_rows[_thin(len(held_rows))]))
    values = np.concatenate(inner)
    score, mean, deviation = _fit_on(bench.fit, depth, level, fit), values.mean(), values.std()
    return lambda rows: (score(rows) - mean) / deviation


def _combine(bench: _Bench, name: str, level: str) -> None:
    # Cells of the last layer say least (the report has them alone) and cost most.
    combinations = {k: v for k, v in COMBINATIONS.items() if level not in CELL_LEVELS or "features" not in v}
    used = [depth for depth in DEPTHS if any(depth in depths for depths in combinations.values())]
    alone = {depth: (_rows_of(depth, level), _standardised(bench, depth, level, name)) for depth in used}
    proper = {depth: score(rows(bench.proper)) for depth, (rows, score) in alone.items()}
    for combined, depths in combinations.items():
        for how in JOINS:
            bench.time(Candidate(f"{name}, {how} of depths", combined, level), [alone[depth] for depth in depths])
    for key, numbers in bench.sets.items():
        foreign = {depth: score(rows(numbers)) for depth, (rows, score) in alone.items()}
        for combined, depths in combinations.items():
            for how, join in JOINS.items():
                scores = (join(np.stack([side[depth] for depth in depths])) for side in (foreign, proper))
                bench.put(Candidate(f"{name}, {how} of depths", combined, level), key, *scores)


def fit_rows(candidate: Candidate, fitted: Collected) -> tuple[Rowing, Scorer]:
    """A detector on logits or on rows of one depth: how it takes its rows, and its scorer, fitted."""
    if candidate.detector in LOGITS:
        return lambda numbers: numbers.logits, LOGITS[candidate.detector]
    rows = _rows_of(candidate.depth, candidate.level)
    return rows, _fit_on(fitted, candidate.depth, candidate.level, ROWS[candidate.detector])


def score_fold(
    fold: str, collected: Mapping[str, Collected], head: LastLayer, taught: Sequence[str], classes: Sequence[str]
) -> FoldScores:
    """All candidates on all sets of one fold.

    `collected`: the numbers of `training.studies.ood.collect`, by set. `taught`: the validation sets from which the
    classifier learns; of the corruptions among them it learns pictures that were made from fitting pictures.
    """
    teach = collected[TEACH]
    made = {name: teach.take(teach.unit == name) for name in taught if (teach.unit == name).any()}
    sets = {name: numbers for name, numbers in collected.items() if name not in (FIT, PROPER_SET, TEACH)}
    lessons = {name: made.get(name, sets[name]) for name in taught}
    bench = _Bench(collected[FIT], collected[PROPER_SET], sets, lessons, head)
    for name in LOGITS:
        bench.add(Candidate(name, "logits", MEANS), lambda numbers: numbers.logits, LOGITS[name])
        bench.add(Candidate(name, "logits", CELLS_MEAN), lambda numbers: numbers.cell_map, LOGITS[name])
    for name, fit in LAST_LAYER.items():
        for level in (MEANS, CELLS_MEAN):
            rows = _rows_of("features", level)
            fitted = rows(bench.fit)
            thin = _thin(len(fitted)) if level in CELL_LEVELS else np.arange(len(fitted))
            bench.add(Candidate(name, "features", level), rows, fit(fitted[thin], head))
    places = [(depth, level) for depth in DEPTHS for level in (MEANS, SPREADS, CELLS_MEAN)]
    for depth, level in counted(places, f"fold {fold}, detectors"):
        for name in ROWS:
            candidate = Candidate(name, depth, level)
            bench.add(candidate, *fit_rows(candidate, bench.fit))
            if level not in CELL_LEVELS:
                _left_out(bench, candidate, classes)
        _teach(bench, depth, level)
    for name, level in counted([(name, level) for name in COMBINED for level in (SPREADS, CELLS_MEAN)], "combinations"):
        _combine(bench, name, level)
    for name, numbers in sets.items():
        bench.put(
            Candidate(GATE, "its own", "its own"), name, numbers.gate.astype(float), bench.proper.gate.astype(float)
        )
    bench.add(
        Candidate(AUTOENCODER, "pixels", CELLS_MEAN), lambda numbers: numbers.ssim, lambda ssim: 1 - ssim.astype(float)
    )
    return FoldScores(bench.table, bench.milliseconds)
