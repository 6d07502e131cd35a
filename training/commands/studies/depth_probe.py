"""`loupe-train depth-probe`: measure how deep into the frozen network a task should look."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import RUNS, examples, recipe_and_data_options, recipe_and_folder


@click.command(
    "depth-probe",
    short_help="measure how deep into the frozen network a task should look",
    epilog=examples("loupe-train depth-probe idc"),
)
@recipe_and_data_options
def command(recipe_name: str, data: Path | None) -> None:
    """Fits a linear probe on every block of ImageNet's Lite0, fold by fold."""
    from training.data import adapter_module
    from training.stamp import source, write_table
    from training.studies.depth_probe import depth_probe

    recipe, folder = recipe_and_folder(recipe_name, data)
    table = depth_probe(recipe, folder)
    print(table)
    made_by = ("training.studies.depth_probe", adapter_module(recipe))
    made_from = source(f"`loupe-train depth-probe {recipe_name}`", made_by, recipe=recipe)
    print(f"wrote {write_table(table, RUNS / f'{recipe.id}-depth-probe.md', made_from)}")
