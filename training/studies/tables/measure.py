"""A whole table: cells in turn until they are finished or the minutes are over, then each row's figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from training.data import check_leaks, check_readable, find_samples, make_folds
from training.distributed.crossval import choose_folds
from training.evaluation.metrics import summary
from training.evaluation.table import load_table
from training.recipe import Recipe
from training.run_files import HISTORY, READINGS
from training.studies.tables.cells import Cell, cell_of, split_of, work
from training.studies.tables.plans import Entry, Plan, recipe_of

ALL = 0


@dataclass(frozen=True)
class Extent:
    """How much is fitted: minutes for the whole call, passes, pictures of a part (0: all), and folds (None: all)."""

    minutes: float
    epochs: int
    pictures: int = ALL
    folds: Collection[str] | None = None


@dataclass(frozen=True)
class Row:
    """A network with its cells, the figures of all of their readings together, and the curves of its fits."""

    entry: Entry
    recipe: Recipe
    cells: tuple[Cell, ...]
    figures: dict[str, Any]
    histories: tuple[Path, ...]
    readings: tuple[Path, ...]


@dataclass(frozen=True)
class Measured:
    """`rows` that have a cell; `waiting`: how many cells aren't finished, of how many."""

    plan: Plan
    extent: Extent
    rows: tuple[Row, ...]
    waiting: int
    cells: int


def measure(
    plan: Plan,
    data: Path,
    out: Path,
    extent: Extent,
    weights: Mapping[str, Path],
    tell: Callable[[str], None] = print,
) -> Measured:
    """Go on with a table. Folds come in turn, all networks of one before the next fold's, and each cell gets an equal share
    of the minutes that are left: so rows stay comparable wherever it ends. Raises `PicturesUnreadable`, `LeakError`,
    `CrossvalError` for a fold that there isn't, `WeightsError`."""
    recipes = {entry.name: recipe_of(plan, entry, weights) for entry in plan.entries}
    first = recipes[plan.entries[0].name]
    samples = find_samples(first, data)
    check_readable(data, samples)
    folds = make_folds(samples, first.split)
    check_leaks(folds, data)
    chosen = {fold.name for fold in choose_folds(folds, extent.folds)}
    splits = {
        fold.name: split_of(plan, folds, number, extent.pictures)
        for number, fold in enumerate(folds)
        if fold.name in chosen
    }
    found: dict[tuple[str, str], Cell] = {}
    waiting = []
    for fold, split in splits.items():
        for entry in plan.entries:
            cell = cell_of(recipes[entry.name], out / entry.name / fold, split, extent.epochs)
            if cell:
                found[entry.name, fold] = cell
            if cell is None or cell.passes < extent.epochs:
                waiting.append((fold, entry))
    ends, done = time.monotonic() + 60 * extent.minutes, 0
    for number, (fold, entry) in enumerate(waiting):
        left = (ends - time.monotonic()) / 60
        if left <= 0:
            tell(f"the minutes are over: {len(waiting) - number} of {len(waiting)} networks wait for the next call")
            break
        share = left / (len(waiting) - number)
        tell(f"fold {fold}, {entry.name}: {share:.1f} min")
        folder = out / entry.name / fold
        cell = work(entry.name, recipes[entry.name], data, folder, fold, splits[fold], extent.epochs, share)
        found[entry.name, fold] = cell
        done += cell.passes >= extent.epochs
        tell(f"fold {fold}, {entry.name}: {cell.passes} of {cell.epochs} passes over {cell.fitted} pictures")
    rows = tuple(_row(out, entry, recipes[entry.name], cells) for entry in plan.entries if (cells := _of(found, entry)))
    return Measured(plan, extent, rows, len(waiting) - done, len(splits) * len(plan.entries))


def _of(found: Mapping[tuple[str, str], Cell], entry: Entry) -> tuple[Cell, ...]:
    return tuple(cell for (name, _), cell in sorted(found.items()) if name == entry.name)


def _row(out: Path, entry: Entry, recipe: Recipe, cells: tuple[Cell, ...]) -> Row:
    folders = [out / entry.name / cell.fold for cell in cells]
    readings = tuple(folder / READINGS for folder in folders)
    table = pd.concat([load_table(file) for file in readings], ignore_index=True)
    histories = tuple(file for folder in folders if (file := folder / HISTORY).is_file())
    return Row(entry, recipe, cells, summary(table, [label.id for label in recipe.labels]), histories, readings)
