"""`loupe-train parts`: find from which evidence on a part of a field calls for a caution."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    crossval_folder,
    crossval_option,
    examples,
    recipe_and_data_options,
    recipe_and_folder,
)


@click.command(
    "parts",
    short_help="find from which evidence on a part of a field calls for a caution",
    epilog=examples("loupe-train parts bach"),
)
@recipe_and_data_options
@crossval_option
def command(recipe_name: str, data: Path | None, crossval: Path | None) -> None:
    """Reads a cross-validation's unseen fields, and mosaics of them, with each fold's network.

    Finds from which evidence on a part that speaks for a class of concern gets a caution, how often fields without one get
    it, and what it finds.
    """
    from training.evaluation.parts import as_tables, measure_parts
    from training.run_files import PARTS

    recipe, folder = recipe_and_folder(recipe_name, data)
    crossval = crossval_folder(crossval, recipe)
    print(as_tables(measure_parts(recipe, folder, crossval)))
    print(f"wrote {crossval / PARTS}. Next: loupe-train pack {recipe_name} --crossval {crossval}")
