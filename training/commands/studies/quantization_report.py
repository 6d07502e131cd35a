"""`loupe-train quantization-report`: error of the integer network against the float one, layer by layer."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    examples,
    recipe_and_data_options,
    recipe_and_folder,
    run_folder_of,
    run_option,
)


@click.command(
    "quantization-report",
    short_help="error of the integer network against the float one, layer by layer",
    epilog=examples("loupe-train quantization-report bach"),
)
@recipe_and_data_options
@run_option
@click.option("--out", type=PATH, metavar="DIR", help="folder of the page (default: the run's)")
def command(recipe_name: str, data: Path | None, run_folder: Path | None, out: Path | None) -> None:
    """Compares every layer of the integer network with the float one and writes a page of the errors."""
    from training.fitting.fit import load_run
    from training.studies.quantization_report import report_run

    recipe, pictures = recipe_and_folder(recipe_name, data)
    folder = run_folder_of(run_folder, recipe)
    print(report_run(load_run(recipe, pictures, folder), out or folder))
