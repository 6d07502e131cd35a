"""`loupe-train fit`: fine-tune the network on a recipe's training part."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    epochs_option,
    examples,
    recipe_and_data_options,
    recipe_and_folder,
    run_folder_of,
    run_option,
)


@click.command(
    "fit",
    short_help="fine-tune the network on a recipe's training part",
    epilog=examples(
        "loupe-train fit bach --everything", "loupe-train fit mine.toml --data mine --split split.json --epochs 0"
    ),
)
@recipe_and_data_options
@run_option
@epochs_option
@click.option(
    "--split",
    "split_file",
    type=PATH,
    metavar="FILE",
    help="a split written before, instead of one made by the recipe's rule",
)
@click.option("--everything", is_flag=True, help="train on all pictures; measure by crossval, pack with --crossval")
def command(
    recipe_name: str,
    data: Path | None,
    run_folder: Path | None,
    epochs: int | None,
    split_file: Path | None,
    everything: bool,
) -> None:
    """Fits a recipe. An interrupted fit goes on where it stopped when the same command is given again."""
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

    recipe, pictures = recipe_and_folder(recipe_name, data)
    folder = run_folder_of(run_folder, recipe)
    samples = ready_samples(recipe, pictures)
    if everything:
        split = Split({TRAINING: samples, CALIBRATION: [], TEST: []})
    elif split_file:
        split = Split.load(split_file)
    else:
        split = split_samples(samples, recipe.split)
    if split_file:
        check_readable(pictures, [sample for part in split.parts.values() for sample in part])
    check_leaks(split, pictures)

    from training.fitting.fit import fit

    fitted = fit(recipe, pictures, folder, split, epochs=epochs)
    measured = f" --crossval runs/{recipe.id}-crossval" if everything else ""
    where = f" --data {pictures}" if data else ""
    minutes = fitted.facts["minutes"]
    print(f"fitted in {f'{minutes} min' if minutes >= 1 else 'less than a minute'}: {folder}")
    print(f"Next: loupe-train pack {recipe_name}{where}{measured}")
