"""`loupe-train drift`: how soon the drift watch finds that another set's pictures come."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    RUNS,
    SHARED_DATA,
    bundle_option,
    crossval_folder,
    examples,
    keys_option,
    open_reader,
    recipe_argument,
)
from training.commands.studies.set_options import default_sets, sets_options


@click.command(
    "drift",
    short_help="how soon the drift watch finds that another set's pictures come",
    epilog=examples("loupe-train drift bach --most 100", "loupe-train drift bach idc busi --orders 5"),
)
@recipe_argument
@sets_options
@bundle_option
@keys_option
@click.option(
    "--orders",
    type=click.IntRange(min=1),
    metavar="N",
    default=20,
    show_default=True,
    help="random orders of the pictures",
)
@click.option(
    "--readings",
    type=PATH,
    metavar="FILE",
    help=f"proper pictures, as crossval read them (default {RUNS}/RECIPE-crossval/readings.parquet)",
)
def command(
    recipe_name: str,
    sets: tuple[str, ...],
    most: int,
    foreign: Path,
    bundle_file: Path | None,
    keys: Path,
    orders: int,
    readings: Path | None,
) -> None:
    """Replays the drift watch: proper pictures in random order first, then another set's."""
    from training.evaluation.table import load_table
    from training.recipe import load_recipe
    from training.run_files import READINGS
    from training.stamp import inputs, source, warn_of, write_table
    from training.studies.drift import as_table, drift_report

    recipe = load_recipe(recipe_name)
    readings = readings or crossval_folder(None, recipe) / READINGS
    warn_of(readings)
    table = load_table(readings)
    others = [name for name in sets or default_sets(foreign) if name != recipe.id]
    reader = open_reader(recipe_name, recipe, bundle_file, keys)
    words = as_table(drift_report(reader, table, others, SHARED_DATA, most, orders))
    print(words)
    figure = RUNS / f"{recipe.id}-drift.md"
    rests_on = {f"bundle {reader.bundle.name}": reader.bundle.sha256, **inputs(figure, readings)}
    arguments = {"sets": " ".join(others), "most": most, "orders": orders}
    made_from = source(f"`loupe-train drift {recipe_name}`", ("training.studies.drift",), rests_on, **arguments)
    print(f"wrote {write_table(words, figure, made_from)}")
