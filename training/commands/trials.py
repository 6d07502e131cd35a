"""`loupe-train trials`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least
from training.commands.cluster_options import add_engine
from training.commands.options import Command, add_recipe, recipe_and_data

WORKERS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    parser.add_argument(
        "--set",
        action="append",
        required=True,
        metavar="SETTING=VALUE,…",
        help="values to try of a recipe's setting, as fit.learning_rate=1e-4,3e-4; several settings: all combinations",
    )
    parser.add_argument("--random", type=at_least(1), metavar="N", help="only N of the combinations, drawn at random")
    parser.add_argument("--out", type=Path, help="folder of the trials (default runs/RECIPE-trials)")
    parser.add_argument("--epochs", type=at_least(0), help="instead of the recipe's; 0 leaves the linear probe")
    add_engine(parser, WORKERS)


def run(arguments: argparse.Namespace) -> None:
    from training.data import find_samples, split_samples
    from training.data.leaks import check_leaks
    from training.distributed.engine import connect
    from training.distributed.trials import make_trials, parse_choices, run_trials

    recipe, data = recipe_and_data(arguments)
    out = arguments.out or Path("runs") / f"{recipe.id}-trials"
    trials = make_trials(recipe, dict(map(parse_choices, arguments.set)), arguments.random)
    split = split_samples(find_samples(recipe, data), recipe.split)
    check_leaks(split, data)
    with connect(arguments.scheduler, arguments.workers) as client:
        table = run_trials(trials, data, out, split, client, epochs=arguments.epochs)
    print(table.to_string(index=False))
    print(f"judged on the calibration part alone; wrote {out}/trials.csv and trials.json")


COMMANDS = (
    Command(
        "trials",
        "try values of a recipe's settings, judged on its calibration part",
        add_arguments,
        run,
        "Fits a recipe with other settings, many combinations at once, and ranks them on the calibration part; the test "
        "part isn't looked at. Trials that are finished aren't done again.",
    ),
)
