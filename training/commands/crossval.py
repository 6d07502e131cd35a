"""`loupe-train crossval`: fit, quantize and measure a recipe fold by fold."""

from __future__ import annotations

from pathlib import Path

import click

from device.base.command_line import ListCommand, ListOption
from training.commands.cluster_options import cluster_options
from training.commands.options import (
    PATH,
    RUNS,
    crossval_folder,
    epochs_option,
    examples,
    recipe_and_data_options,
    recipe_and_folder,
)


@click.command(
    "crossval",
    cls=ListCommand,
    short_help="fit, quantize and measure a recipe fold by fold",
    epilog=examples("loupe-train crossval bach", "loupe-train crossval bach --folds 0 3 --epochs 0 --out runs/look"),
)
@recipe_and_data_options
@click.option("--out", type=PATH, metavar="DIR", help=f"folder of the folds (default {RUNS}/RECIPE-crossval)")
@epochs_option
@click.option("--folds", cls=ListOption, metavar="NAME...", help="only these folds (default all)")
@cluster_options
def command(
    recipe_name: str,
    data: Path | None,
    out: Path | None,
    epochs: int | None,
    folds: tuple[str, ...],
    workers: int,
    scheduler: str | None,
) -> None:
    """Cross-validates a recipe.

    Folds that are finished aren't done again; an interrupted one goes on from its last epoch when the same command is given
    again.
    """
    import json

    from training.data import check_leaks, make_folds, ready_samples
    from training.distributed.crossval import METRICS, crossval, fold_table
    from training.distributed.engine import connect

    recipe, pictures = recipe_and_folder(recipe_name, data)
    out = crossval_folder(out, recipe)
    splits = make_folds(ready_samples(recipe, pictures), recipe.split)
    check_leaks(splits, pictures)
    with connect(scheduler, workers) as client:
        crossval(recipe, pictures, splits, out, client, names=list(folds) or None, epochs=epochs)
    figures = json.loads((out / METRICS).read_text(encoding="utf-8"))
    print(fold_table(figures["by_fold"], figures["all"]))
    print(f"wrote {out}. Next: loupe-train evaluate {recipe_name} --readings {out}/readings.parquet")
