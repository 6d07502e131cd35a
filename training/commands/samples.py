"""`loupe-train samples`: make the page's synthetic sample pictures from a run's network."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import (
    PATH,
    SAMPLES,
    examples,
    recipe_and_data_options,
    recipe_and_folder,
    run_folder_of,
    run_option,
)


@click.command(
    "samples",
    short_help="make the page's synthetic sample pictures from a run's network",
    epilog=examples("loupe-train samples bach --out my-samples"),
)
@recipe_and_data_options
@run_option
@click.option("--out", type=PATH, metavar="DIR", default=SAMPLES, show_default=True, help="folder of the samples")
def command(recipe_name: str, data: Path | None, run_folder: Path | None, out: Path) -> None:
    """Makes the page's synthetic sample pictures, which are nobody's tissue, from a run's network."""
    from training.fitting.fit import load_run
    from training.packing.samples import make_samples

    recipe, pictures = recipe_and_folder(recipe_name, data)
    make_samples(load_run(recipe, pictures, run_folder_of(run_folder, recipe)), out)
