"""`loupe-train sets`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command
from training.errors import TableError
from training.recipe import load_recipe
from training.run_files import READINGS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="a shipped recipe (bach) or a .toml file")
    parser.add_argument(
        "--readings", type=Path, help=f"readings of a cross-validation (default runs/RECIPE-crossval/{READINGS})"
    )
    parser.add_argument("--choices", action="store_true", help="put other ways to find thresholds beside")


def run(arguments: argparse.Namespace) -> None:
    from training.evaluation.metrics import calibrate_folds
    from training.evaluation.sets import answered, sets_summary
    from training.evaluation.sets_report import choices_table, sets_words
    from training.evaluation.table import check_table, load_table
    from training.evaluation.words import unit_of

    recipe = load_recipe(arguments.recipe)
    names = {label.id: label.name["en"] for label in recipe.labels}
    readings = arguments.readings or Path("runs") / f"{recipe.id}-crossval" / READINGS
    table = load_table(readings)
    check_table(table, list(names))
    table, _ = calibrate_folds(table, list(names), offsets=recipe.calibration.offsets)
    sets = sets_summary(table, list(names), recipe.answer, unit_of(recipe, table))
    if sets is None:
        raise TableError(f"{readings}: the gate accepted pictures of one fold alone")
    print(sets_words(sets, names))
    if arguments.choices:
        print(f"\n{choices_table(answered(table, list(names)), recipe.answer, names)}")


COMMANDS = (
    Command("sets", "what answers promise, and how often they held the true class, fold by fold", add_arguments, run),
)
