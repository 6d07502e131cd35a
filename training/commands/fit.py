"""`loupe-train fit`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least
from training.commands.options import Command, add_recipe, add_run, recipe_and_data, run_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe(parser)
    add_run(parser)
    parser.add_argument("--epochs", type=at_least(0), help="instead of the recipe's; 0 leaves the linear probe")
    parser.add_argument("--split", type=Path, help="a split written before, instead of one made by the recipe's rule")
    parser.add_argument(
        "--everything", action="store_true", help="train on all pictures; measure by crossval, pack with --crossval"
    )


def run(arguments: argparse.Namespace) -> None:
    from training.data import (
        CALIBRATION,
        TEST,
        TRAINING,
        Split,
        check_leaks,
        check_readable,
        ready_samples,
        split_samples,
    )

    recipe, data = recipe_and_data(arguments)
    folder = run_folder(arguments, recipe)
    samples = ready_samples(recipe, data)
    if arguments.everything:
        split = Split({TRAINING: samples, CALIBRATION: [], TEST: []})
    elif arguments.split:
        split = Split.load(arguments.split)
    else:
        split = split_samples(samples, recipe.split)
    if arguments.split:
        check_readable(data, [sample for part in split.parts.values() for sample in part])
    check_leaks(split, data)

    from training.fitting.fit import fit

    fitted = fit(recipe, data, folder, split, epochs=arguments.epochs)
    measured = f" --crossval runs/{recipe.id}-crossval" if arguments.everything else ""
    where = f" --data {data}" if arguments.data else ""
    minutes = fitted.facts["minutes"]
    print(f"fitted in {f'{minutes} min' if minutes >= 1 else 'less than a minute'}: {folder}")
    print(f"Next: loupe-train pack {arguments.recipe}{where}{measured}")


COMMANDS = (
    Command(
        "fit",
        "fine-tune the network on a recipe's training part",
        add_arguments,
        run,
        "Fits a recipe. An interrupted fit goes on where it stopped when the same command is given again.",
    ),
)
