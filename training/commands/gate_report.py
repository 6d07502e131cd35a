"""`loupe-train gate-report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command, add_bundle, add_foreign, add_recipe, open_reader, recipe_and_data


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_bundle(parser)
    add_foreign(parser)
    parser.add_argument(
        "--readings", type=Path, help="proper pictures, as crossval read them (default runs/RECIPE-crossval)"
    )


def report(arguments: argparse.Namespace) -> None:
    from training.evaluation.table import load_table
    from training.gate.refusals import as_table, gate_report, proper_refusals

    recipe, _ = recipe_and_data(arguments)
    table = load_table(arguments.readings or Path("runs") / f"{recipe.id}-crossval" / "readings.parquet")
    proper = proper_refusals(f"{recipe.id}, cross-validated", table)
    print(as_table(gate_report(open_reader(arguments, recipe), proper, arguments.foreign)))


COMMANDS = (
    Command("gate-report", "how often the gate refuses proper and foreign pictures", add_report_arguments, report),
)
