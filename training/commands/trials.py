"""`loupe-train trials`: try values of a recipe's settings, judged on its calibration part."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.cluster_options import cluster_options
from training.commands.options import PATH, RUNS, epochs_option, examples, recipe_and_data_options, recipe_and_folder


@click.command(
    "trials",
    short_help="try values of a recipe's settings, judged on its calibration part",
    epilog=examples("loupe-train trials bach --set fit.learning_rate=1e-4,3e-4 --set fit.dropout=0.1,0.3 --random 3"),
)
@recipe_and_data_options
@click.option(
    "--set",
    "settings",
    multiple=True,
    required=True,
    metavar="SETTING=VALUE,…",
    help="values to try of a recipe's setting, as fit.learning_rate=1e-4,3e-4; several settings: all combinations",
)
@click.option(
    "--random",
    "most",
    type=click.IntRange(min=1),
    metavar="N",
    help="only N of the combinations, drawn at random",
)
@click.option("--out", type=PATH, metavar="DIR", help=f"folder of the trials (default {RUNS}/RECIPE-trials)")
@epochs_option
@cluster_options
def command(
    recipe_name: str,
    data: Path | None,
    settings: tuple[str, ...],
    most: int | None,
    out: Path | None,
    epochs: int | None,
    workers: int,
    scheduler: str | None,
) -> None:
    """Fits a recipe with other settings, many combinations at once, and ranks them on the calibration part.

    The test part isn't looked at. Trials that are finished aren't done again.
    """
    from training.data import find_samples, split_samples
    from training.data.leaks import check_leaks
    from training.distributed.engine import connect
    from training.distributed.trials import make_trials, parse_choices, run_trials

    recipe, pictures = recipe_and_folder(recipe_name, data)
    out = out or RUNS / f"{recipe.id}-trials"
    trials = make_trials(recipe, dict(map(parse_choices, settings)), most)
    split = split_samples(find_samples(recipe, pictures), recipe.split)
    check_leaks(split, pictures)
    with connect(scheduler, workers) as client:
        table = run_trials(trials, pictures, out, split, client, epochs=epochs)
    print(table.to_string(index=False))
    print(f"judged on the calibration part alone; wrote {out}/trials.csv and trials.json")
