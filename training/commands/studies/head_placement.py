"""`loupe-train head-placement`: measure the head inside the integer network against outside."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    examples,
    recipe_and_data_options,
    recipe_and_folder,
    run_folder_of,
    run_option,
)


@click.command(
    "head-placement",
    short_help="measure the head inside the integer network against outside",
    epilog=examples("loupe-train head-placement bach"),
)
@recipe_and_data_options
@run_option
def command(recipe_name: str, data: Path | None, run_folder: Path | None) -> None:
    """Measures the class-map head inside the integer network against the head in float after it."""
    from training.fitting.fit import load_run
    from training.run_files import WEIGHTS
    from training.stamp import inputs, source, write_table
    from training.studies.head_placement import compare

    recipe, pictures = recipe_and_folder(recipe_name, data)
    folder = run_folder_of(run_folder, recipe)
    table = compare(load_run(recipe, pictures, folder))
    print(table)
    figure = folder / "head-placement.md"
    again = f"`loupe-train head-placement {recipe_name}`"
    made_from = source(again, ("training.studies.head_placement",), inputs(figure, folder / WEIGHTS))
    print(f"wrote {write_table(table, figure, made_from)}")
