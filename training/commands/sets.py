"""`loupe-train sets`: what answers promise, and how often they held the true class, fold by fold."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, RUNS, crossval_folder, examples, recipe_argument
from training.errors import TableError
from training.recipe import load_recipe
from training.run_files import READINGS


@click.command(
    "sets",
    short_help="what answers promise, and how often they held the true class, fold by fold",
    epilog=examples("loupe-train sets bach", "loupe-train sets bach --choices"),
)
@recipe_argument
@click.option(
    "--readings",
    type=PATH,
    metavar="FILE",
    help=f"readings of a cross-validation (default {RUNS}/RECIPE-crossval/{READINGS})",
)
@click.option("--choices", is_flag=True, help="put other ways to find thresholds beside")
def command(recipe_name: str, readings: Path | None, choices: bool) -> None:
    """Prints what answers promise, and how often they held the true class, fold by fold."""
    from training.evaluation.metrics import calibrate_folds
    from training.evaluation.sets import answered, sets_summary
    from training.evaluation.sets_report import choices_table, sets_words
    from training.evaluation.table import check_table, load_table
    from training.evaluation.words import unit_of
    from training.stamp import inputs, source, warn_of, write_table

    recipe = load_recipe(recipe_name)
    names = {label.id: label.name.en for label in recipe.labels}
    readings = readings or crossval_folder(None, recipe) / READINGS
    warn_of(readings)
    table = load_table(readings)
    check_table(table, list(names))
    table, _ = calibrate_folds(table, list(names), offsets=recipe.calibration.offsets)
    sets = sets_summary(table, list(names), recipe.answer, unit_of(recipe, table))
    if sets is None:
        raise TableError(f"{readings}: the gate accepted pictures of one fold alone")
    words = sets_words(sets, names)
    if choices:
        words += f"\n\n{choices_table(answered(table, list(names)), recipe.answer, names)}"
    print(words)
    figure = readings.parent / "sets.md"
    made_from = source(
        f"`loupe-train sets {recipe_name}`",
        ("training.evaluation.sets", "training.evaluation.sets_report", "training.evaluation.metrics"),
        inputs(figure, readings),
        answer=recipe.answer,
    )
    print(f"wrote {write_table(words, figure, made_from)}")
