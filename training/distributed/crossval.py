"""Cross-validation of a recipe: each fold is fitted, made into integers, and read by the box's code on unseen pictures.

Folds are tasks of the engine (`training/distributed/engine.py`). A fold's folder, `OUT/FOLD`, holds what `fit` writes,
what it printed (`log.txt`), its draft bundle (`training/packing/draft.py`) and its `readings.parquet`. The folder of all
has `readings.parquet` with p from calibrations that were fitted on the other folds, `metrics.json` and, in `folds.json`,
the hash of each fold's split.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from distributed import Client

from training.data import CALIBRATION, TEST, TRAINING, Fold, Split
from training.distributed.engine import raise_failures, run_tasks
from training.distributed.fold import run_fold, why_unread
from training.errors import CrossvalError
from training.evaluation.metrics import by_fold, calibrate_folds, summary
from training.evaluation.table import load_table, save_table
from training.recipe import Recipe
from training.run_files import FACTS, FOLDS, READINGS, epochs_done
from training.stamp import inputs, source, stamp, warn_of

METRICS = "metrics.json"


def fold_split(fold: Fold) -> Split:
    """All but the test part is trained on; calibrations come from the other folds' readings."""
    return Split({TRAINING: fold.rest, CALIBRATION: [], TEST: fold.test})


def choose_folds(folds: Sequence[Fold], names: Collection[str] | None) -> list[Fold]:
    """The folds of some names, or all. Raises `CrossvalError` for a name that isn't one."""
    known = {fold.name: fold for fold in folds}
    for name in names or ():
        if name not in known:
            raise CrossvalError(f"there is no fold {name}; there are {', '.join(known)}")
    return [fold for fold in folds if names is None or fold.name in names]


def crossval(
    recipe: Recipe,
    data: Path,
    folds: Sequence[Fold],
    out: Path,
    client: Client,
    *,
    names: Collection[str] | None = None,
    epochs: int | None = None,
    tell: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Run the folds of some names (all by default) as far as they aren't done, then put together the readings of all
    folds that are; the table, p cross-fitted.

    Raises `CrossvalError` for a name that isn't a fold's, `TaskFailed` when a fold failed; the others are kept.
    """
    chosen = choose_folds(folds, names)
    data, out = data.resolve(), out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    splits = {fold.name: fold_split(fold) for fold in folds}
    (out / FOLDS).write_text(json.dumps({name: split.sha256 for name, split in splits.items()}, indent=2))
    length = recipe.fit.epochs if epochs is None else epochs
    for fold in chosen:
        why = why_unread(recipe, out / fold.name, splits[fold.name], epochs)
        if why and (out / fold.name / FACTS).is_file():
            tell(f"fold {fold.name} is read again: {'; '.join(why)}")
    failures = run_tasks(
        client,
        run_fold,
        {fold.name: (recipe, data, out / fold.name, fold.name, splits[fold.name], epochs) for fold in chosen},
        "folds",
        lambda name, read: tell(f"fold {name}: {read} pictures read"),
        unit="epochs",
        size=lambda _: length + 1,  # reading counts as one
        so_far=lambda name: epochs_done(out / name),
    )
    raise_failures(failures, "folds", len(chosen))
    read = []
    for name, split in splits.items():
        if not (why := why_unread(recipe, out / name, split, epochs)):
            read.append(name)
        elif (out / name / READINGS).is_file():
            tell(f"fold {name} is left out of the table: {'; '.join(why)}")
    table = put_together(recipe, out, read)
    warn_of(out / READINGS)
    return table


def put_together(recipe: Recipe, out: Path, names: Sequence[str]) -> pd.DataFrame:
    """Folds' readings as one table with cross-fitted p, written with its figures. One fold alone stays uncalibrated."""
    labels = [label.id for label in recipe.labels]
    table = pd.concat([load_table(out / name / READINGS) for name in names], ignore_index=True)
    figures: dict[str, Any] = {"recipe": recipe.id, "labels": labels, "folds": names}
    if len(names) > 1:
        table, calibration = calibrate_folds(table, labels, offsets=recipe.calibration.offsets)
        figures["calibration"] = calibration.to_json(labels)
    save_table(table, out / READINGS)
    figures |= {"by_fold": by_fold(table, labels), "all": summary(table, labels)}
    (out / METRICS).write_text(json.dumps(figures, indent=2), encoding="utf-8")
    rests_on = inputs(out / READINGS, *(out / name / READINGS for name in names))
    made_from = source(f"`loupe-train crossval {recipe.id}`", ("training.evaluation.metrics",), rests_on)
    for file in (READINGS, METRICS):
        stamp(out / file, made_from)
    return table


def fold_table(figures: Sequence[Mapping[str, Any]], whole: Mapping[str, Any]) -> str:
    """Markdown: a row a fold, and all of them with 95 % intervals."""
    names = ("accuracy", "balanced_accuracy", "float_balanced_accuracy", "macro_auroc", "ece", "refused")
    lines = ["| fold | n | patients | " + " | ".join(names) + " |", "|---|" + "---|" * (len(names) + 2)]
    for row in figures:
        cells = " | ".join(_cell(row[name]) for name in names)
        lines.append(f"| {row['fold']} | {row['n']} | {row['patients']} | {cells} |")
    together = {**whole, "float_balanced_accuracy": (whole["float"] or {}).get("balanced_accuracy")}
    cells = " | ".join(_with_interval(together[name]) for name in names)
    lines.append(f"| all | {whole['n']} | {whole['patients']} | {cells} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _with_interval(figure: Mapping[str, float | None] | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    return f"{_cell(figure['value'])} ({_cell(figure['low'])}–{_cell(figure['high'])})"
