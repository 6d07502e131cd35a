"""`loupe-train evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command, add_bundle, add_recipe, open_reader, recipe_and_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_bundle(parser)
    parser.add_argument(
        "--readings", type=Path, help="a readings table, as crossval writes it, instead of reading the test part now"
    )
    parser.add_argument("--split", type=Path, help="the split that the bundle was made with, where not the recipe's")
    parser.add_argument(
        "--run", type=Path, help="the run behind the bundle: adds the float network and training curves"
    )
    parser.add_argument(
        "--before", type=Path, help="a readings table of another network on the same pictures, for a before/after table"
    )
    parser.add_argument(
        "--out", type=Path, help="folder for report.html and report.json (default the table's, or runs/RECIPE)"
    )


def run(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from training.data import Split
    from training.evaluation.measure import evaluate_bundle, evaluate_readings, print_summary
    from training.evaluation.report import report_document, write_report
    from training.evaluation.table import load_table

    recipe, data = recipe_and_data(arguments)
    if arguments.readings:
        evaluation = evaluate_readings(recipe, arguments.readings)
    else:
        split = Split.load(arguments.split) if arguments.split else None
        reader = open_reader(arguments, recipe)
        print(f"{reader.bundle.name} reads the test part of {recipe.id}'s split, as the box reads")
        evaluation = evaluate_bundle(reader, recipe, data, split=split, run=arguments.run)
    if arguments.before:
        name = f"{arguments.before.parent.name}/{arguments.before.name}"
        evaluation = replace(evaluation, before=load_table(arguments.before), before_name=name)
    document = report_document(evaluation)
    print_summary(document)
    default = arguments.readings.parent if arguments.readings else Path("runs") / recipe.id
    print(f"report: {write_report(document, arguments.out or default)}")


COMMANDS = (
    Command(
        "evaluate",
        "figures of a bundle or of a cross-validation, as a report",
        add_arguments,
        run,
        "Measures by the box's own code and writes one self-contained report, as a page and as JSON.",
    ),
)
