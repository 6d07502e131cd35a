"""`loupe-train ood`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command, add_foreign, add_recipe, recipe_and_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_foreign(parser)
    parser.add_argument("--crossval", type=Path, help="folder of the cross-validation (default runs/RECIPE-crossval)")
    parser.add_argument("--out", type=Path, help="folder of what is kept, and of the report (default runs/RECIPE-ood)")


def run(arguments: argparse.Namespace) -> None:
    from training.studies.ood.benchmark import benchmark
    from training.studies.ood.report import markdown, write

    recipe, data = recipe_and_data(arguments)
    crossval = arguments.crossval or Path("runs") / f"{recipe.id}-crossval"
    out = arguments.out or Path("runs") / f"{recipe.id}-ood"
    document = benchmark(recipe, data, arguments.foreign, crossval, out)
    page = write(document, out)
    print(markdown(document))
    print(f"wrote {page}, with ood.json and ood.md beside it ({document['minutes']} min)")


COMMANDS = (
    Command(
        "ood",
        "benchmark detectors of foreign pictures on the integer network's outputs",
        add_arguments,
        run,
        "Reads foreign, corrupted and proper pictures with the networks of a cross-validation and compares detectors: "
        "AUROC, AUPR, FPR at 95 % TPR, cost. What was read is kept, so that a second run takes a minute.",
    ),
)
