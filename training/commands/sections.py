"""`loupe-train sections`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import between
from training.commands.options import Command, add_recipe, recipe_and_data

MOST_WINDOWS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    parser.add_argument(
        "--runs", type=Path, help="folder of the cross-validation, a folder a patient (default runs/RECIPE-crossval)"
    )
    parser.add_argument(
        "--patients", nargs="+", metavar="PATIENT", help="read only these (default: each one with a fold of its own)"
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        type=between(1, MOST_WINDOWS),
        default=[],
        metavar="N",
        help="read again with so many windows starting within a window's side",
    )


def run(arguments: argparse.Namespace) -> None:
    from training.evaluation.sections import as_table, headline_table, report_sections
    from training.run_files import FACTS

    recipe, data = recipe_and_data(arguments)
    runs = arguments.runs or Path("runs") / f"{recipe.id}-crossval"
    patients = arguments.patients or sorted(found.parent.name for found in runs.glob(f"*/{FACTS}"))
    rows, headlines = report_sections(recipe, data, runs, patients, arguments.steps)
    print(f"{as_table(rows)}\n\n{headline_table(headlines)}")


COMMANDS = (
    Command(
        "sections",
        "read whole sections of unseen patients as the box does",
        add_arguments,
        run,
        "Puts IDC's tiles together into sections, reads each with its fold's network and gate, and compares map and "
        "headline with the tiles' labels.",
    ),
)
