"""A table as Markdown, with the published rows below ours, and its curves as SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from training.evaluation.plots import training_curves
from training.evaluation.report import read_history
from training.evaluation.words import NOTHING, markdown_table, number, scheme_words, title, unit_column, with_interval
from training.networks.weights import NONE
from training.recipe import Recipe
from training.stamp import inputs, source, write_table
from training.studies.tables.cells import Cell
from training.studies.tables.measure import Measured, Row

TABLE = "table.md"


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def _time(cells: Sequence[Cell], name: str) -> str:
    times = [getattr(cell, name) for cell in cells]
    return NOTHING if None in times else f"{median(times):.1f} ms"


def _begun_with(recipe: Recipe) -> str:
    weights = recipe.network.weights
    return "random" if weights == NONE else Path(weights).name


def _ours(row: Row, figures: Sequence[str]) -> list[str]:
    cells, found = row.cells, row.figures
    integers = all(cell.int8_ms is not None for cell in cells)
    return [
        f"**{row.entry.words}**" + ("" if integers else ", in floats: it can't run on integers alone"),
        _begun_with(row.recipe),
        f"{_range([cell.passes for cell in cells])} of {cells[0].epochs} over {_range([cell.fitted for cell in cells])}",
        f"{found['n']} of {found['patients']}",
        *(with_interval(name, _figure(found, name)) for name in figures),
        number("minus_float", found["float"]["minus_float"]["value"], signed=True) if integers else NOTHING,
        _time(cells, "float_ms"),
        _time(cells, "int8_ms"),
    ]


def _figure(found: Any, name: str) -> Any:
    """A figure of a summary; `sensitivity.benign` is that of a class."""
    figure, _, label = name.partition(".")
    return found["classes"][label][figure] if label else found[figure]


def markdown(measured: Measured) -> str:
    """The table, with what it rests on in words."""
    plan, rows = measured.plan, measured.rows
    unit = "patient"
    head = [
        "network",
        "first weights",
        "passes over pictures",
        f"tested: pictures of {unit_column(unit).lower()}",
        *(title(name) for name in plan.figures),
        "balanced accuracy, integer − float",
        "forward pass, float32",
        "forward pass, int8",
    ]
    published = [
        [f"published: {other.what}", NOTHING, NOTHING, NOTHING]
        + [other.figures.get(name, NOTHING) for name in plan.figures]
        + [NOTHING, other.before or NOTHING, other.after or NOTHING]
        for other in plan.published
    ]
    parts = [f"## {plan.name}: {plan.title}", _words(measured, unit)]
    parts.append(markdown_table(head, [*(_ours(row, plan.figures) for row in rows), *published]))
    sources = dict.fromkeys(other.source for other in plan.published)
    parts.append(f"Published figures: {'; '.join(sources)}. They were measured on other splits or pictures than ours.")
    return "\n\n".join(parts)


def _words(measured: Measured, unit: str) -> str:
    if not measured.rows:
        return "No network was fitted yet: give more minutes."
    recipe, plan, extent = measured.rows[0].recipe, measured.plan, measured.extent
    cells = [cell for row in measured.rows for cell in row.cells]
    folds = sorted({cell.fold for cell in cells})
    capped = (
        f" Of each part at most about {extent.pictures} pictures were taken, as many of each class where there are so many."
        if extent.pictures
        else ""
    )
    watched = " The curves of what is held out are of one more fold, left out of fitting too." if plan.watched else ""
    waiting = (
        f" {measured.waiting} of {measured.cells} fits aren't through: the same command goes on with them."
        if measured.waiting
        else ""
    )
    return (
        f"Data: {recipe.data.name}. Split: {scheme_words(recipe, unit, crossval=True)}; folds done here: "
        f"{', '.join(folds)}.{capped}{watched}{waiting} Figures are of the integer network, each picture read (no "
        f"gate); in parentheses 95 % intervals, whole {unit}s resampled. Times are one core's, "
        "one picture, of the same runtime for both networks."
    )


def write(measured: Measured, out: Path) -> tuple[Path, list[Path]]:
    """Write the table, with its stamp, and a file of curves for each row that has any; their paths."""
    readings = [file for row in measured.rows for file in row.readings]
    plan, extent = measured.plan, measured.extent
    made_from = source(
        f"`loupe-train table {plan.name}`",
        (__name__,),
        inputs(out / TABLE, *readings),
        epochs=extent.epochs,
        pictures=extent.pictures,
    )
    return write_table(markdown(measured), out / TABLE, made_from), [
        _write_curves(row, out) for row in measured.rows if row.histories
    ]


def _write_curves(row: Row, out: Path) -> Path:
    drawn = training_curves([read_history(file) for file in row.histories])
    file = out / f"curves-{row.entry.name}.svg"
    # Inside a page an SVG needs no name spaces; a file of its own does.
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    file.write_text(drawn.replace("<svg ", f"<svg {spaces} ", 1), encoding="utf-8")
    return file
