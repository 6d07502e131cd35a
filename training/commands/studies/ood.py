"""`loupe-train ood`: benchmark detectors of foreign pictures on the integer network's outputs."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    RUNS,
    crossval_folder,
    crossval_option,
    examples,
    foreign_option,
    recipe_and_data_options,
    recipe_and_folder,
)


@click.command(
    "ood",
    short_help="benchmark detectors of foreign pictures on the integer network's outputs",
    epilog=examples("loupe-train ood bach"),
)
@recipe_and_data_options
@foreign_option
@crossval_option
@click.option(
    "--out", type=PATH, metavar="DIR", help=f"folder of what is kept, and of the report (default {RUNS}/RECIPE-ood)"
)
def command(recipe_name: str, data: Path | None, foreign: Path, crossval: Path | None, out: Path | None) -> None:
    """Reads foreign, corrupted and proper pictures with the networks of a cross-validation and compares detectors.

    Figures: AUROC, AUPR, FPR at 95 % TPR, cost. What was read is kept, so that a second run takes a minute.
    """
    from training.run_files import DRAFT
    from training.studies.ood.benchmark import benchmark
    from training.studies.ood.report import markdown, write

    recipe, folder = recipe_and_folder(recipe_name, data)
    out = out or RUNS / f"{recipe.id}-ood"
    crossval = crossval_folder(crossval, recipe)
    document = benchmark(recipe, folder, foreign, crossval, out)
    page = write(document, out, [crossval / fold / DRAFT for fold in document["folds"]])
    print(markdown(document))
    print(f"wrote {page}, with ood.json and ood.md beside it ({document['minutes']} min)")
