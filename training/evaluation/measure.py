"""What `loupe-train evaluate` measures: the readings of a cross-validation, or a bundle on the part that is only tested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from device.reading.reading import Reader
from training.data import TEST, Split, find_samples, load_pixels, split_samples
from training.errors import SplitError, TableError
from training.evaluation.metrics import calibrate_folds
from training.evaluation.report import Evaluation
from training.evaluation.table import check_table, load_table, read_table
from training.evaluation.words import limits, number, scheme_words, title, unit_of, with_interval
from training.recipe import Recipe
from training.run_files import FOLDS, HISTORY
from training.stamp import warn_of

CLASS_FIGURES = ("sensitivity", "specificity", "auroc")


def evaluate_readings(recipe: Recipe, path: Path, only: str = "", folds: Sequence[str] = ()) -> Evaluation:
    """The readings table of a cross-validation, with calibrations fitted across its folds; of one fold, as it stands.
    `only`: the pictures whose file begins so; `folds`: those of these folds alone, calibrated as among all. Training
    curves are those found under its folder. Raises `TableError`."""
    labels = [label.id for label in recipe.labels]
    warn_of(path)
    table, calibration = load_table(path), None
    check_table(table, labels)
    crossval = table["fold"].nunique() > 1
    if crossval:
        table, calibration = calibrate_folds(table, labels, offsets=recipe.calibration.offsets)
    scheme = scheme_words(recipe, unit_of(recipe, table), crossval=crossval) + _unfinished(path.parent, table)
    table, narrowed = _part_of(table, only, folds)
    scheme += narrowed
    return Evaluation(
        recipe,
        table,
        scheme,
        f"{path.parent.name}/{path.name}, read by the box's code"
        + (", each fold by its own network" if crossval else ""),
        calibration=calibration,
        histories=tuple(sorted(path.parent.glob(f"*/{HISTORY}"))),
    )


def _part_of(table: pd.DataFrame, only: str, folds: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """The rows that are asked for, and which these are in words. Raises `TableError` where there are none."""
    words = ""
    if only:
        table, words = table[table["file"].str.startswith(only)], f", of these pictures only those of {only}"
    if folds:
        table, words = table[table["fold"].isin(list(folds))], f"{words}, of folds {', '.join(folds)}"
    if table.empty:
        raise TableError(f"the readings table has no pictures{words}")
    return table, words


def _unfinished(folder: Path, table: pd.DataFrame) -> str:
    """Says so where a cross-validation isn't through all of its folds."""
    file = folder / FOLDS
    if not file.is_file():
        return ""
    planned, read = len(json.loads(file.read_text(encoding="utf-8"))), table["fold"].nunique()
    return f" (only {read} of {planned} folds are read so far)" if read < planned else ""


def evaluate_bundle(
    reader: Reader, recipe: Recipe, data: Path, *, split: Split | None = None, run: Path | None = None
) -> Evaluation:
    """A bundle on the test part of its split, which is the recipe's or one that was written before. With the folder of
    the run behind the bundle, the float network and the training curves too.

    Raises `SplitError` when the bundle wasn't made with this split: it may have been trained on these very pictures.
    """
    manifest, labels = reader.bundle.manifest, [label.id for label in recipe.labels]
    split = split or split_samples(find_samples(recipe, data), recipe.split)
    made_with = manifest.provenance.split["sha256"]
    if made_with != split.sha256:
        raise SplitError(
            f"{reader.bundle.name} was made with the split {made_with[:12]}, this is {split.sha256[:12]}: it may have "
            "been trained on pictures that would be tested. Give the split it was made with (--split), or evaluate the "
            "readings of its cross-validation (--readings)"
        )
    samples = split.parts[TEST]
    if not samples:
        raise SplitError(
            f"{reader.bundle.name} was trained on every picture, which leaves none to test: evaluate the readings of its "
            "cross-validation (--readings)"
        )
    floats = None
    if run is not None:  # the bundle's offsets are in its head's bias
        offsets = manifest.calibration.offsets or {}
        floats = _float_logits(recipe, data, run, split) + [offsets.get(label, 0.0) for label in labels]
    table = read_table(reader, data, samples, labels, float_logits=floats, data=recipe.data)
    history = () if run is None or not (run / HISTORY).is_file() else (run / HISTORY,)
    return Evaluation(
        recipe,
        table,
        scheme_words(recipe, unit_of(recipe, table), crossval=False),
        f"{reader.bundle.name} (SHA-256 {reader.bundle.sha256[:16]}), read by the box's code",
        histories=history,
    )


def _float_logits(recipe: Recipe, data: Path, folder: Path, split: Split) -> NDArray[np.float64]:
    from training.fitting.fit import float_logits, load_run

    run = load_run(recipe, data, folder)
    if run.split.sha256 != split.sha256:
        raise SplitError(
            f"{folder} was fitted with another split ({run.split.sha256[:12]}) than the bundle's: wrong run?"
        )
    return float_logits(run, load_pixels(data, split.parts[TEST], recipe.data))


def print_summary(document: dict[str, object], console: Console | None = None) -> None:
    """The figures of a report on the terminal: those that matter first, then each class."""
    summary = document["summary"]
    assert isinstance(summary, dict)
    names = document["labels"]
    assert isinstance(names, dict)
    figures = Table(
        "", "integer", "95 % interval", "float", title=f"{summary['n']} pictures, {summary['patients']} groups"
    )
    for name in ("balanced_accuracy", "accuracy", "macro_auroc", "ece", "refused"):
        of_float = summary["float"] and summary["float"].get(name)
        figures.add_row(
            title(name),
            number(name, summary[name]["value"]),
            limits(name, summary[name]),
            number(name, of_float["value"]) if of_float else "",
        )
    if summary["float"]:
        figures.add_section()
        for name in ("minus_float", "agreement"):
            difference, signed = summary["float"][name], name == "minus_float"
            value = number(name, difference["value"], signed=signed)
            figures.add_row(title(name), value, limits(name, difference, signed=signed))
    classes = Table("class", "pictures", *(title(name) for name in CLASS_FIGURES))
    for label, of_class in summary["classes"].items():
        cells = (with_interval(name, of_class[name]) for name in CLASS_FIGURES)
        classes.add_row(names[label], str(of_class["n"]), *cells)
    console = console or Console()
    console.print(figures)
    console.print(classes)
