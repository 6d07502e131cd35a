"""`loupe-train parts`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command, add_recipe, recipe_and_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    parser.add_argument("--crossval", type=Path, help="folder of the cross-validation (default runs/RECIPE-crossval)")


def run(arguments: argparse.Namespace) -> None:
    from training.evaluation.parts import as_tables, measure_parts
    from training.run_files import PARTS

    recipe, data = recipe_and_data(arguments)
    crossval = arguments.crossval or Path("runs") / f"{recipe.id}-crossval"
    print(as_tables(measure_parts(recipe, data, crossval)))
    print(f"wrote {crossval / PARTS}. Next: loupe-train pack {arguments.recipe} --crossval {crossval}")


COMMANDS = (
    Command(
        "parts",
        "find from which evidence on a part of a field calls for a caution",
        add_arguments,
        run,
        "Reads a cross-validation's unseen fields, and mosaics of them, with each fold's network: from which evidence on a "
        "part that speaks for a class of concern gets a caution, how often fields without one get it, and what it finds.",
    ),
)
