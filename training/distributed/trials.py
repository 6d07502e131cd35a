"""Hyper-parameter trials: a recipe with some settings changed, fitted on its training part, judged on its calibration part.

The test part isn't even loaded: who chooses settings by it can't measure with it afterwards. Trials are tasks of the
engine; each has a folder `OUT/TRIAL` with its settings, what `fit` writes, and its `result.json`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from distributed import Client
from msgspec.json import encode
from sklearn.metrics import balanced_accuracy_score, log_loss

from device.reading.maps import softmax
from training.data import CALIBRATION, TEST, TRAINING, Split, labels_of, load_pixels
from training.distributed.engine import raise_failures, run_tasks
from training.distributed.fold import LOG, fitted_run
from training.errors import TrialError
from training.evaluation.calibrate import fit_temperature
from training.recipe import Recipe, make_recipe
from training.run_files import epochs_done

RESULT, SETTINGS, RESULTS = "result.json", "settings.json", "trials"
# What can be judged on one and the same calibration part, by the float network.
TRIED = ("network.", "fit.", "augmentation.", "data.area_px", "data.brought_to")
Settings = dict[str, Any]  # values by path in the recipe's file: {"fit.dropout": 0.2}


@dataclass(frozen=True)
class Trial:
    name: str
    settings: Settings
    recipe: Recipe


def parse_choices(text: str) -> tuple[str, list[Any]]:
    """`fit.dropout=0.2,0.4` → ("fit.dropout", [0.2, 0.4]). Values are as in a recipe's file; words need no quotes.

    Raises `TrialError`.
    """
    path, equals, values = text.partition("=")
    if not equals or not values:
        raise TrialError(f"--set {text}: write a setting and its values, as --set fit.learning_rate=1e-4,3e-4")
    try:
        return path, list(tomllib.loads(f"values = [{values}]")["values"])
    except tomllib.TOMLDecodeError:
        return path, values.split(",")


def change(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe with other values, validated like a file's. Raises `TrialError` or `RecipeError`."""
    table: dict[str, Any] = json.loads(encode(recipe))
    for path, value in settings.items():
        part, _, name = path.partition(".")
        if not path.startswith(TRIED) or name not in table[part]:
            raise TrialError(
                f"--set {path}: what can be tried is data.area_px, data.brought_to and a setting of network, fit or "
                "augmentation"
            )
        table[part][name] = value
    return make_recipe(table)


def make_trials(recipe: Recipe, choices: Mapping[str, Sequence[Any]], count: int | None) -> list[Trial]:
    """Each combination of values or, of many, `count` at random (Bergstra & Bengio 2012), the same for the same recipe."""
    grid = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    if count is not None and count < len(grid):
        grid = random.Random(recipe.fit.seed).sample(grid, count)  # noqa: S311 (no secret)
    return [Trial(_name(settings), settings, change(recipe, settings)) for settings in grid]


def _name(settings: Settings) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]


def choosing_split(split: Split) -> Split:
    """A split without its test part."""
    return Split({TRAINING: split.parts[TRAINING], CALIBRATION: split.parts[CALIBRATION], TEST: []})


def run_trial(trial: Trial, data: Path, folder: Path, split: Split, epochs: int | None) -> dict[str, Any]:
    """Run on a worker: fit and judge a trial, as far as that isn't done; its figures on the calibration part.

    The float network is judged: integers cost every trial alike, and would double its time.
    """
    import keras

    from training.fitting.fit import float_logits

    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(json.dumps(trial.settings, indent=2))
    with (folder / LOG).open("a", encoding="utf-8", buffering=1) as log, redirect_stdout(log):
        run = fitted_run(trial.recipe, data, folder, split, epochs)
        held = split.parts[CALIBRATION]
        logits = float_logits(run, load_pixels(data, held, trial.recipe.data))
    keras.backend.clear_session()
    truth = labels_of(held)
    p = softmax(logits, fit_temperature(logits, truth))
    result = {
        "balanced_accuracy": round(float(balanced_accuracy_score(truth, logits.argmax(1))), 4),
        "accuracy": round(float(np.mean(truth == logits.argmax(1))), 4),
        "log_loss": round(float(log_loss(truth, p, labels=range(p.shape[1]))), 4),
        "n": len(held),
        "minutes": run.facts["minutes"],
    }
    (folder / RESULT).write_text(json.dumps(result, indent=2))
    return result


def run_trials(
    trials: Sequence[Trial], data: Path, out: Path, split: Split, client: Client, *, epochs: int | None = None
) -> pd.DataFrame:
    """Run all trials; their table, the best first, written as `OUT/trials.csv` and `.json` after each trial.

    Best is the balanced accuracy and, where two are alike, the log loss after fitting a temperature. Raises `TaskFailed`
    when a trial failed.
    """
    data, out, split = data.resolve(), out.resolve(), choosing_split(split)
    out.mkdir(parents=True, exist_ok=True)
    by_name = {trial.name: trial for trial in trials}
    rows: dict[str, dict[str, Any]] = {}

    def keep(name: str, result: dict[str, Any]) -> None:
        rows[name] = {"trial": name, **by_name[name].settings, **result}
        _write(_table(rows), out)

    def length(name: str) -> int:
        return by_name[name].recipe.fit.epochs if epochs is None else epochs

    failures = run_tasks(
        client,
        run_trial,
        {name: (trial, data, out / name, split, epochs) for name, trial in by_name.items()},
        "trials",
        keep,
        unit="epochs",
        size=lambda name: length(name) + 1,  # judging counts as one
        so_far=lambda name: epochs_done(out / name),
    )
    raise_failures(failures, "trials", len(trials))
    return _table(rows)


def _table(rows: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows.values()))
    return table.sort_values(["balanced_accuracy", "log_loss"], ascending=[False, True], ignore_index=True)


def _write(table: pd.DataFrame, out: Path) -> None:
    table.to_csv(out / f"{RESULTS}.csv", index=False)
    table.to_json(out / f"{RESULTS}.json", orient="records", indent=2)
