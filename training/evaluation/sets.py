"""Prediction sets: how low a class's probability must be before the answer to a picture may leave that class out.

Each class has a threshold of its own, found on unseen pictures *of that class* that the gate accepted (class-conditional
split-conformal prediction). Its guarantee is about pictures of new patients: "with this confidence, at least this share of
the pictures of the class get an answer with the class in it". Patients, or what stands for them in a set, are what is
exchangeable; the bound over their shares is that of `device/reading/rate_bound.py`. How much can be guaranteed depends on
how many patients there are: the level is what the recipe asks for or, where a class has too few of them, the highest
multiple of 5 % that so many could carry if each missed 5 % of its pictures. So it is fixed by their number, before any
probability is looked at, and a threshold needn't lie below the very worst picture to keep it. A class of fewer than four
is never left out; neither is one whose probability the box calls possible, whatever its threshold could be.

Figures are cross-fitted: the sets of a fold's pictures have thresholds that were found on the other folds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from msgspec import UNSET
from numpy.typing import NDArray

from device.base.texts import LIKELIHOODS
from device.reading.manifest import AnswerRecord, AnswerRules, ClassPromise, OutsideConcern, Unit
from device.reading.prediction_sets import prediction_sets
from device.reading.rate_bound import bound_rate, p_value
from training.errors import TableError
from training.evaluation import resampling
from training.evaluation.metrics import measurable, natural_order
from training.evaluation.table import class_columns
from training.recipe import AnswerRule

Floats = NDArray[np.float64]
STEP = 0.05  # between levels, where units are few
POSSIBLE = {word: limit for limit, word in LIKELIHOODS}["unlikely"]  # the greatest probability below "possible"
FEWEST_UNITS = 4  # that can guarantee anything worth saying
ALLOWED_MISSES = 0.05  # of each unit's pictures, which the guarantee of few units still allows


@dataclass(frozen=True)
class ClassThreshold:
    """A class is left out of the set where its probability is less than `threshold`; with the rule's confidence at least
    `level` of its pictures keep it, from `units` patients (or what stands for them)."""

    threshold: float
    level: float
    units: int


# The threshold of a class from the probabilities of that class for its own pictures [n], and the unit of each [n].
Finder = Callable[[Floats, NDArray[np.str_]], ClassThreshold]
NEVER_LEFT_OUT = ClassThreshold(0.0, 1.0, 0)


def carried_level(units: int, level: float, confidence: float) -> float:
    """The level that so many units can guarantee: `level`, or the highest multiple of 5 % below it that they carry with
    `ALLOWED_MISSES` of each one's pictures missed."""
    shares = np.full(units, ALLOWED_MISSES)
    steps = np.arange(np.floor(level / STEP + 1e-9), 0, -1) * STEP
    carried = (tried for tried in (level, *steps) if p_value(shares, 1 - tried) <= 1 - confidence)
    return round(float(next(carried, 0.0)), 4)


def find_threshold(rule: AnswerRule) -> Finder:
    """How a class's threshold is found for a rule: the highest that keeps what its units can guarantee, but not so high
    that an answer would leave out what its own words call possible."""

    def find(p: Floats, units: NDArray[np.str_]) -> ClassThreshold:
        count = len(np.unique(units))
        if count < FEWEST_UNITS:
            return replace(NEVER_LEFT_OUT, units=count)
        level = carried_level(count, rule.level, rule.confidence)
        bound = bound_rate(-p, units, 1 - level, rule.confidence)
        return ClassThreshold(min(-bound.threshold, POSSIBLE), level, count)

    return find


@dataclass(frozen=True)
class Answered:
    """Accepted pictures whose class is known: true class, calibrated probabilities, unit and fold of each."""

    truth: NDArray[np.int64]
    p: Floats
    units: NDArray[np.str_]
    folds: NDArray[np.str_]

    def thresholds(self, find: Finder, among: NDArray[np.bool_] | None = None) -> list[ClassThreshold]:
        """One for each class, from some of the pictures or from all."""
        rows = np.ones(len(self.truth), np.bool_) if among is None else among
        thresholds = []
        for k in range(self.p.shape[1]):
            own = rows & (self.truth == k)
            thresholds.append(find(self.p[own, k], self.units[own]) if own.any() else NEVER_LEFT_OUT)
        return thresholds

    def cross_fitted(self, find: Finder) -> NDArray[np.bool_]:
        """Sets [n, classes], those of each fold with thresholds from the other folds."""
        held = np.zeros(self.p.shape, np.bool_)
        for fold in np.unique(self.folds):
            own = self.folds == fold
            held[own] = prediction_sets(self.p[own], _limits(self.thresholds(find, ~own)))
        return held


def _limits(thresholds: Sequence[ClassThreshold]) -> Floats:
    return np.array([one.threshold for one in thresholds])


def answered(table: pd.DataFrame, labels: Sequence[str]) -> Answered:
    """Of a readings table with calibrated probabilities. Raises `TableError` when the gate accepted none."""
    accepted = measurable(table, labels)
    accepted = accepted[accepted["reason"].isna()]
    if accepted.empty:
        raise TableError("the gate accepted no picture of the readings table: there are no answers to measure")
    return Answered(
        np.asarray(accepted["label"].map({label: k for k, label in enumerate(labels)}), np.int64),
        accepted[class_columns("p", labels)].to_numpy(np.float64),
        accepted["group"].to_numpy(str),
        accepted["fold"].to_numpy(str),
    )


def measure_sets(
    held: NDArray[np.bool_], answers: Answered, labels: Sequence[str], concern: Sequence[str]
) -> dict[str, Any]:
    """What sets [n, classes] were like, JSON-able: by class how many had their class inside, the mean size, how many had
    one class alone, and of pictures of concern how many had no class of concern inside. With intervals over units."""
    names, unit = np.unique(answers.units, return_inverse=True)
    weights = resampling.patient_weights(len(names)) if len(names) > 1 else np.ones((1, 1))
    inside = np.asarray(held[np.arange(len(held)), answers.truth], np.float64)

    def share(values: Floats, among: NDArray[np.bool_]) -> dict[str, float | None]:
        if not among.any():
            return {"value": None, "low": None, "high": None}
        return resampling.interval(resampling.ratio(weights, unit, values * among, among.astype(np.float64)))

    everything = np.ones(len(held), np.bool_)
    single = held.sum(1) == 1
    of_concern = np.array([label in concern for label in labels])
    worrying = of_concern[answers.truth]
    outside = np.asarray(~held[:, of_concern].any(1), np.bool_)
    return {
        "n": len(held),
        "units": len(names),
        "classes": {
            label: {
                "pictures": int((answers.truth == k).sum()),
                "inside": int(inside[answers.truth == k].sum()),
                "coverage": share(inside, answers.truth == k),
            }
            for k, label in enumerate(labels)
        },
        "coverage": share(inside, everything),
        "size": share(held.astype(np.float64) @ np.ones(len(labels)), everything),
        "single": {
            "n": int(single.sum()),
            "right": int(inside[single].sum()),
            "share": share(single.astype(np.float64), everything),
        },
        "undecided": int(held.all(1).sum()),
        "concern_outside": {
            "pictures": int(worrying.sum()),
            "outside": int((outside & worrying).sum()),
            "share": share(outside.astype(np.float64), worrying),
        },
    }


def by_set(held: NDArray[np.bool_], truth: NDArray[np.int64], labels: Sequence[str]) -> list[dict[str, Any]]:
    """For each set that occurs, the most frequent first: its labels and how many pictures of each class had it."""
    rows = []
    for one in np.unique(held, axis=0):
        counts = np.bincount(truth[(held == one).all(1)], minlength=len(labels))
        rows.append(
            {"labels": [label for label, inside in zip(labels, one, strict=True) if inside], "counts": counts.tolist()}
        )
    return sorted(rows, key=lambda row: -sum(row["counts"]))


def sets_summary(table: pd.DataFrame, labels: Sequence[str], rule: AnswerRule, unit: str) -> dict[str, Any] | None:
    """All about the sets of a cross-validation's readings, p cross-fitted, JSON-able; None for one fold alone.

    `thresholds` are from all folds, what a bundle ships; all measured figures, also those of `folds`, are cross-fitted.
    """
    answers = answered(table, labels)
    folds = sorted(np.unique(answers.folds), key=natural_order)
    if len(folds) < 2:
        return None
    find = find_threshold(rule)
    held = answers.cross_fitted(find)
    parts = {fold: answers.folds == fold for fold in folds}
    return {
        "asked": rule.level,
        "confidence": rule.confidence,
        "unit": unit,
        "concern": list(rule.concern),
        "thresholds": thresholds_json(answers.thresholds(find), labels),
        **measure_sets(held, answers, labels, rule.concern),
        "record": by_set(held, answers.truth, labels),
        "folds": [
            {"fold": fold, **measure_sets(held[own], _part(answers, own), labels, rule.concern)}
            for fold, own in parts.items()
        ],
    }


def _part(answers: Answered, own: NDArray[np.bool_]) -> Answered:
    return Answered(answers.truth[own], answers.p[own], answers.units[own], answers.folds[own])


def thresholds_json(thresholds: Sequence[ClassThreshold], labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {
        label: {"threshold": one.threshold, "level": one.level, "n": one.units}
        for label, one in zip(labels, thresholds, strict=True)
    }


def sets_of_split(
    calibration: pd.DataFrame, tested: pd.DataFrame, labels: Sequence[str], rule: AnswerRule
) -> dict[str, Any]:
    """The sets of a single split, for `answer_rules`: thresholds from the readings of one part, figures from another's."""
    answers = answered(tested, labels)
    thresholds = answered(calibration, labels).thresholds(find_threshold(rule))
    held = prediction_sets(answers.p, _limits(thresholds))
    return {
        "thresholds": thresholds_json(thresholds, labels),
        **measure_sets(held, answers, labels, rule.concern),
        "record": by_set(held, answers.truth, labels),
    }


def answer_rules(rule: AnswerRule, unit: Unit, sets: Mapping[str, Any]) -> AnswerRules:
    """A manifest's section `answer` (`docs/engineers/bundle.md`): thresholds, and what was measured of their like."""
    measured = {
        label: {name: sets["classes"][label][name] for name in ("pictures", "inside")} for label in sets["thresholds"]
    }
    return AnswerRules(
        concern=rule.concern,
        sum=rule.sum or UNSET,
        confidence=rule.confidence,
        unit=unit,
        classes={
            label: ClassPromise(**threshold, **measured[label]) for label, threshold in sets["thresholds"].items()
        },
        size=sets["size"]["value"],
        concern_outside=OutsideConcern(**{name: sets["concern_outside"][name] for name in ("pictures", "outside")}),
        record=tuple(AnswerRecord(tuple(row["labels"]), tuple(row["counts"])) for row in sets["record"]),
    )


# --- other choices, to compare with ------------------------------------------------------------------------------------


def find_on_average(level: float) -> Finder:
    """Split-conformal prediction over units without a confidence: at least `level` on average over what the calibration
    units might have been (Dunn, Wasserman and Ramdas 2022). Where units are few, the highest multiple of 5 % that they
    carry with `ALLOWED_MISSES`."""

    def find(p: Floats, units: NDArray[np.str_]) -> ClassThreshold:
        names, index = np.unique(units, return_inverse=True)
        n, sizes = len(names), np.bincount(index)
        least = (1 + ALLOWED_MISSES * n) / (n + 1)
        carried = level if 1 - level >= least else np.floor((1 - least) / STEP + 1e-9) * STEP
        for threshold in np.sort(p)[::-1]:
            missed = np.bincount(index, p < threshold, minlength=n) / sizes
            if missed.sum() <= (1 - carried) * (n + 1) - 1 + 1e-12:
                return ClassThreshold(float(threshold), round(float(carried), 4), n)
        return ClassThreshold(0.0, 1.0, n)

    return find


def find_none_missed(confidence: float) -> Finder:
    """The threshold below which no picture of the class lay: the most that units can guarantee with a confidence."""

    def find(p: Floats, units: NDArray[np.str_]) -> ClassThreshold:
        n = len(np.unique(units))
        return ClassThreshold(float(p.min()), round((1 - confidence) ** (1 / n), 4), n)

    return find


def find_top_alone(_p: Floats, units: NDArray[np.str_]) -> ClassThreshold:
    """No class but the most probable one: what a headline of one class gives."""
    return ClassThreshold(np.inf, 0.0, len(np.unique(units)))


def other_choices(rule: AnswerRule) -> dict[str, Finder]:
    """What the sets could be instead, by name."""
    return {
        "chosen": find_threshold(rule),
        "no picture of the class missed": find_none_missed(rule.confidence),
        "on average, without a confidence": find_on_average(rule.level),
        "the most probable class alone": find_top_alone,
    }
