"""A fitted gate as the bundle holds it: the manifest's section `gate`, its arrays, and the refusal-rate bound in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import NDArray

from device.reading.gate import MADE, PICTURE_REASONS, SCALE, SHOWS
from device.reading.image import Image
from device.reading.manifest import CellSpace, GatePromise, GateRules, ScaleRule, Space
from device.reading.rate_bound import bound_rate
from training.errors import TableError
from training.gate.fit import QUESTIONS, FittedGate, Outputs, cross_scores, picture_limits
from training.gate.magnification import RATIOS
from training.recipe import GateRule

Scores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class RefusalBound:
    """The bound that proper pictures' scores carry, and these scores of each question, sorted, for p-values."""

    promise: GatePromise
    calibration_scores: Mapping[str, tuple[float, ...]]


def gate_rules(
    fitted: FittedGate, images: Sequence[Image], bound: RefusalBound
) -> tuple[GateRules, dict[str, NDArray[np.float32]]]:
    """The section, and its arrays by member. `images` are the proper pictures that the gate was fitted on."""
    spaces = {**fitted.spaces, "cells": fitted.cells}
    arrays = {
        f"gate/{SCALE}_weights.npy": fitted.scale.weights,
        f"gate/{SCALE}_centres.npy": fitted.centres,
        **{f"gate/{name}_centre.npy": space.centre for name, space in spaces.items()},
        **{f"gate/{name}_whitening.npy": space.whitening for name, space in spaces.items()},
    }
    scores = bound.calibration_scores
    rules = GateRules(
        picture=picture_limits(images),
        scale=ScaleRule(
            weights=f"gate/{SCALE}_weights.npy",
            intercept=fitted.scale.intercept,
            octaves=fitted.octaves,
            ratios=tuple(RATIOS),
            centres=f"gate/{SCALE}_centres.npy",
            alike=fitted.alike,
            calibration_scores=scores[SCALE],
        ),
        made=Space(f"gate/{MADE}_centre.npy", f"gate/{MADE}_whitening.npy", scores[MADE]),
        shows=Space(f"gate/{SHOWS}_centre.npy", f"gate/{SHOWS}_whitening.npy", scores[SHOWS]),
        cells=CellSpace("gate/cells_centre.npy", "gate/cells_whitening.npy", fitted.cell_limit),
        promise=bound.promise,
    )
    return rules, {member: array.astype(np.float32) for member, array in arrays.items()}


def with_bound(rules: GateRules, bound: RefusalBound) -> GateRules:
    """The section with another bound."""
    scores = bound.calibration_scores
    return replace(
        rules,
        scale=replace(rules.scale, calibration_scores=scores[SCALE]),
        made=replace(rules.made, calibration_scores=scores[MADE]),
        shows=replace(rules.shows, calibration_scores=scores[SHOWS]),
        promise=bound.promise,
    )


def bound_across_groups(rule: GateRule, outputs: Outputs) -> RefusalBound:
    """The bound that rests on gates fitted without each group in turn."""
    return _bound(rule, cross_scores(outputs), outputs.groups, "cross-fitted")


def bound_of_folds(rule: GateRule, readings: pd.DataFrame, groups: set[str]) -> RefusalBound | None:
    """The bound that rests on a cross-validation's readings, by networks and gates that had not seen the pictures; None
    unless each group that the bundle was fitted on was read so. Raises `TableError` for readings by another gate."""
    if missing := [f"score_{question}" for question in QUESTIONS if f"score_{question}" not in readings.columns]:
        raise TableError(f"the readings have no {', '.join(missing)}: they are of another gate. Run crossval again")
    read = readings[readings["error"].isna()]
    if not groups <= set(read["group"]):
        return None
    judged = ~read["reason"].isin(PICTURE_REASONS).to_numpy()
    scores = {q: np.where(judged, read[f"score_{q}"].to_numpy(np.float64), np.inf) for q in QUESTIONS}
    return _bound(rule, scores, read["group"].to_numpy(str), "unseen")


def _bound(
    rule: GateRule, scores: Scores, groups: NDArray[np.str_], kind: Literal["unseen", "cross-fitted"]
) -> RefusalBound:
    """Threshold and p-values from scores [pictures] of each question; infinite ones are of pictures refused anyway."""
    units = groups if rule.unit == "patient" else np.arange(len(groups)).astype(str)
    reached = bound_rate(np.max(list(scores.values()), 0), units, rule.alpha, rule.confidence)
    return RefusalBound(
        GatePromise(
            alpha=round(reached.alpha, 4),
            confidence=reached.confidence,
            n=reached.units,
            unit=rule.unit,
            scores=kind,
            threshold=reached.threshold,
        ),
        {
            question: tuple(round(float(s), 5) for s in np.sort(of_question[np.isfinite(of_question)]))
            for question, of_question in scores.items()
        },
    )
