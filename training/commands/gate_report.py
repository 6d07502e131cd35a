"""`loupe-train gate-report`: how often the gate refuses proper and foreign pictures."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    RUNS,
    bundle_option,
    crossval_folder,
    examples,
    foreign_option,
    keys_option,
    open_reader,
    recipe_and_data_options,
    recipe_and_folder,
)


@click.command(
    "gate-report",
    short_help="how often the gate refuses proper and foreign pictures",
    epilog=examples("loupe-train gate-report bach", "loupe-train gate-report bach --foreign my-foreign-pictures"),
)
@recipe_and_data_options
@bundle_option
@keys_option
@foreign_option
@click.option(
    "--readings",
    type=PATH,
    metavar="FILE",
    help=f"proper pictures, as crossval read them (default {RUNS}/RECIPE-crossval/readings.parquet)",
)
def command(
    recipe_name: str,
    data: Path | None,
    bundle_file: Path | None,
    keys: Path,
    foreign: Path,
    readings: Path | None,
) -> None:
    """Counts how often the gate refuses proper pictures of unseen groups, and each folder of foreign ones."""
    from training.evaluation.table import load_table
    from training.gate.refusals import as_table, gate_report, proper_refusals
    from training.run_files import READINGS
    from training.stamp import warn_of

    recipe, _ = recipe_and_folder(recipe_name, data)
    readings = readings or crossval_folder(None, recipe) / READINGS
    warn_of(readings)
    table = load_table(readings)
    proper = proper_refusals(f"{recipe.id}, cross-validated", table)
    print(as_table(gate_report(open_reader(recipe_name, recipe, bundle_file, keys), proper, foreign)))
