"""`loupe-train sections`: read whole sections of unseen patients as the box does."""

from __future__ import annotations

from pathlib import Path

import click

from device.base.command_line import FiniteRange, ListCommand, ListOption
from training.commands.options import PATH, RUNS, crossval_folder, examples, recipe_and_data_options, recipe_and_folder

MOST_WINDOWS = 16


@click.command(
    "sections",
    cls=ListCommand,
    short_help="read whole sections of unseen patients as the box does",
    epilog=examples("loupe-train sections idc", "loupe-train sections idc --patients 8863 --steps 1 3"),
)
@recipe_and_data_options
@click.option(
    "--runs",
    type=PATH,
    metavar="DIR",
    help=f"folder of the cross-validation (default {RUNS}/RECIPE-crossval)",
)
@click.option(
    "--patients",
    cls=ListOption,
    metavar="PATIENT...",
    help="read only these (default: all with 50 tiles or more of either kind)",
)
@click.option(
    "--steps",
    cls=ListOption,
    type=FiniteRange(1, MOST_WINDOWS),
    metavar="N...",
    help="read again with so many windows starting within a window's side",
)
def command(
    recipe_name: str, data: Path | None, runs: Path | None, patients: tuple[str, ...], steps: tuple[float, ...]
) -> None:
    """Puts a set's tiles together into sections and reads each with the network and gate that never saw its patient.

    Map and headline are compared with the tiles' labels.
    """
    from training.evaluation.sections import as_table, headline_table, report_sections

    recipe, folder = recipe_and_folder(recipe_name, data)
    runs = crossval_folder(runs, recipe)
    rows, headlines = report_sections(recipe, folder, runs, list(patients), list(steps))
    print(f"{as_table(rows)}\n\n{headline_table(headlines)}")
