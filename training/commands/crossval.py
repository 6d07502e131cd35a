"""`loupe-train crossval`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least
from training.commands.cluster_options import add_engine
from training.commands.options import Command, add_recipe, recipe_and_data

WORKERS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    parser.add_argument("--out", type=Path, help="folder of the folds (default runs/RECIPE-crossval)")
    parser.add_argument("--epochs", type=at_least(0), help="instead of the recipe's; 0 leaves the linear probe")
    parser.add_argument("--folds", nargs="+", metavar="NAME", help="only these folds (default all)")
    add_engine(parser, WORKERS)


def run(arguments: argparse.Namespace) -> None:
    import json

    from training.data import check_leaks, make_folds, ready_samples
    from training.distributed.crossval import METRICS, crossval, fold_table
    from training.distributed.engine import connect

    recipe, data = recipe_and_data(arguments)
    out = arguments.out or Path("runs") / f"{recipe.id}-crossval"
    folds = make_folds(ready_samples(recipe, data), recipe.split)
    check_leaks(folds, data)
    with connect(arguments.scheduler, arguments.workers) as client:
        crossval(recipe, data, folds, out, client, names=arguments.folds, epochs=arguments.epochs)
    figures = json.loads((out / METRICS).read_text(encoding="utf-8"))
    print(fold_table(figures["by_fold"], figures["all"]))
    print(f"wrote {out}. Next: loupe-train evaluate {arguments.recipe} --readings {out}/readings.parquet")


COMMANDS = (
    Command(
        "crossval",
        "fit, quantize and measure a recipe fold by fold",
        add_arguments,
        run,
        "Cross-validates a recipe. Folds that are finished aren't done again; an interrupted one goes on from its last "
        "epoch when the same command is given again.",
    ),
)
