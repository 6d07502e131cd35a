"""What a bundle says of a cross-validation of its recipe: calibration, figures, and the bounds of its answers and gate.

Packing a run and putting new figures into a bundle both take it from here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from device.reading.manifest import AnswerRules, CalibrationFacts, GateRules
from training.errors import RunError
from training.evaluation.calibrate import Calibration
from training.evaluation.metrics import calibrate_folds, summary
from training.evaluation.sets import answer_rules, sets_summary
from training.evaluation.table import load_table
from training.evaluation.words import scheme_words, unit_of
from training.gate.rules import bound_of_folds, with_bound
from training.recipe import Recipe
from training.run_files import FACTS, READINGS
from training.stamp import warn_of


@dataclass(frozen=True)
class Measured:
    """Of the folds' readings: the calibration from all of them, and the manifest's sections `metrics` and `answer`."""

    readings: pd.DataFrame
    calibration: Calibration
    metrics: dict[str, Any]
    answer: AnswerRules

    def calibration_facts(self, labels: Sequence[str]) -> CalibrationFacts:
        """The manifest's section `calibration`."""
        return self.calibration.facts(labels, n=self.metrics["n"], ece=self.metrics["ece"]["value"])

    def gate(self, rules: GateRules, recipe: Recipe, groups: set[str]) -> GateRules:
        """The manifest's section `gate` with the bound that rests on these readings, where they have all groups that the
        bundle was fitted on; else as it was."""
        bound = bound_of_folds(recipe.gate, self.readings, groups)
        return rules if bound is None else with_bound(rules, bound)


def measured_by_folds(recipe: Recipe, folder: Path) -> Measured:
    """From the folder of a cross-validation of the recipe. Raises `RunError` where it has no readings, `TableError` where
    they can't be measured."""
    labels = [label.id for label in recipe.labels]
    if not (folder / READINGS).is_file():
        raise RunError(f"{folder} has no {READINGS}: run `loupe-train crossval` with this recipe first")
    warn_of(folder / READINGS)
    readings = load_table(folder / READINGS)
    table, calibration = calibrate_folds(readings, labels, offsets=recipe.calibration.offsets)
    unit = unit_of(recipe, table)
    metrics = {"scheme": scheme_words(recipe, unit, crossval=True), **summary(table, labels)}
    sets = sets_summary(table, labels, recipe.answer, unit)
    if sets is None:
        raise RunError(f"the gate accepted pictures of one fold of {folder} alone: no answer can be measured")
    return Measured(readings, calibration, metrics, answer_rules(recipe.answer, unit, sets))


def commits_of_folds(recipe_id: str, settings_sha256: str, folder: Path) -> str:
    """The commits that a cross-validation's folds were fitted at. Raises `RunError` where there are none, or where one was
    fitted with other settings or epochs than what its figures are to be of."""
    facts = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(f"*/{FACTS}"))]
    if not facts:
        raise RunError(f"{folder} has no folds beside {READINGS}: give the folder that `loupe-train crossval` wrote")
    if any(fold["settings_sha256"] != settings_sha256 for fold in facts):
        raise RunError(
            f"a fold of {folder} was fitted with other settings or epochs than {recipe_id}'s: run crossval again"
        )
    return ", ".join(sorted({fold["commit"] for fold in facts}))
