"""A fitted gate as the bundle holds it: the manifest's section `gate`, its arrays, and the promise in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from device.reading.gate import PICTURE_REASONS, SCALE
from device.reading.image import Image
from training.errors import TableError
from training.gate.fit import QUESTIONS, FittedGate, Outputs, cross_scores, picture_limits
from training.gate.magnification import RATIOS
from training.gate.promise import promise
from training.recipe import GateRule

Scores = Mapping[str, NDArray[np.float64]]


def gate_rules(found: FittedGate, images: Sequence[Image]) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """The section without its promise, and its arrays by member. `images` are the proper pictures that it was fitted on."""
    arrays = {f"gate/{SCALE}_weights.npy": found.scale.weights, f"gate/{SCALE}_centres.npy": found.centres}
    rules: dict[str, Any] = {
        "picture": picture_limits(images),
        SCALE: {
            "weights": f"gate/{SCALE}_weights.npy",
            "intercept": found.scale.intercept,
            "octaves": found.octaves,
            "ratios": list(RATIOS),
            "centres": f"gate/{SCALE}_centres.npy",
            "alike": found.alike,
        },
    }
    for name, space in {**found.spaces, "cells": found.cells}.items():
        rules[name] = {part: f"gate/{name}_{part}.npy" for part in ("centre", "whitening")}
        arrays |= {rules[name]["centre"]: space.centre, rules[name]["whitening"]: space.whitening}
    rules["cells"]["limit"] = found.cell_limit
    return rules, {member: array.astype(np.float32) for member, array in arrays.items()}


def promise_across_groups(rules: dict[str, Any], rule: GateRule, outputs: Outputs) -> None:
    """Put in the promise that rests on gates fitted without each group in turn."""
    _promise(rules, rule, cross_scores(outputs), outputs.groups, "cross-fitted")


def promise_of_folds(rules: dict[str, Any], rule: GateRule, readings: pd.DataFrame, groups: set[str]) -> None:
    """Put in the promise that rests on a cross-validation's readings, by networks and gates that had not seen the pictures,
    if each of the groups that the bundle was fitted on was read so. Raises `TableError` for readings by another gate."""
    if missing := [f"score_{question}" for question in QUESTIONS if f"score_{question}" not in readings.columns]:
        raise TableError(f"the readings have no {', '.join(missing)}: they are of another gate. Run crossval again")
    read = readings[readings["error"].isna()]
    if not groups <= set(read["group"]):
        return
    judged = ~read["reason"].isin(PICTURE_REASONS).to_numpy()
    scores = {q: np.where(judged, read[f"score_{q}"].to_numpy(np.float64), np.inf) for q in QUESTIONS}
    _promise(rules, rule, scores, read["group"].to_numpy(str), "unseen")


def _promise(rules: dict[str, Any], rule: GateRule, scores: Scores, groups: NDArray[np.str_], kind: str) -> None:
    """Threshold and p-values from scores [pictures] of each question; infinite ones are of pictures refused anyway."""
    units = groups if rule.unit == "patient" else np.arange(len(groups)).astype(str)
    kept = promise(np.max(list(scores.values()), 0), units, rule.alpha, rule.confidence)
    rules["promise"] = {
        "alpha": round(kept.alpha, 4),
        "confidence": kept.confidence,
        "n": kept.units,
        "unit": rule.unit,
        "scores": kind,
        "threshold": kept.threshold,
    }
    for question, found in scores.items():
        rules[question]["calibration_scores"] = [round(float(s), 5) for s in np.sort(found[np.isfinite(found)])]
