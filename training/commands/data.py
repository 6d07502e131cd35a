"""`loupe-train data check`, `data split` and `data draw`."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, RUNS, RecipeName, examples, recipe_and_data_options, recipe_and_folder
from training.errors import DataError
from training.recipe import load_recipe

FEWEST_PICTURES = 40
FOLDER = "folder"


@click.group("data", short_help="look a data set over, or write its split")
def command() -> None:
    """Looks after data sets and splits."""


@command.command(
    "check",
    short_help="what is in a folder, and what would mislead",
    epilog=examples(
        "loupe-train data check mine", "loupe-train data check ../shared/data/bach --recipe bach --out runs/look"
    ),
)
@click.argument("folder", type=PATH, metavar="DIR", help="folder of the data set")
@click.option(
    "--adapter", metavar="NAME", help=f"adapter that reads the folder (default {FOLDER}: a folder for each class)"
)
@click.option(
    "--recipe", "recipe_name", type=RecipeName(), help="take adapter, classes and options from a recipe instead"
)
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="an option of the adapter; may be repeated"
)
@click.option("--out", type=PATH, metavar="DIR", help=f"folder of the page check.html (default {RUNS}/check-DIR)")
@click.option("--groups", type=PATH, metavar="FILE", help="write a groups.csv in which copies are in one group")
def check_command(
    folder: Path,
    adapter: str | None,
    recipe_name: str | None,
    options: tuple[str, ...],
    out: Path | None,
    groups: Path | None,
) -> None:
    """Opens every picture; prints counts, copies, unreadable files and how far patients give classes away."""
    if adapter and recipe_name:
        raise click.UsageError("--adapter and --recipe exclude each other: a recipe names its adapter.")

    from rich.console import Console

    from training.claims import doubts
    from training.data import default_labels, list_samples
    from training.data.check import check, write_groups
    from training.data.check_page import print_check, write_check
    from training.data.scale import scale_doubt

    recipe = load_recipe(recipe_name) if recipe_name else None
    if recipe:
        adapter, adapter_options = recipe.data.adapter, dict(recipe.data.options)
        labels = tuple(label.id for label in recipe.labels)
    else:
        adapter, adapter_options = adapter or FOLDER, {}
        labels = default_labels(adapter, folder)
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise DataError(f"--option {option} must be NAME=VALUE")
        adapter_options[name] = value
    notes: list[str] = []
    samples = list_samples(adapter, folder, labels, adapter_options, notes.append)
    if recipe_name and recipe:
        notes += (f"{recipe_name}: {doubt}" for doubt in doubts(recipe_name, recipe))
        if doubt := scale_doubt(recipe, folder, samples):
            notes.append(f"{recipe_name}: {doubt}")
    checked = check(folder, adapter, labels, samples, notes)
    console = Console()
    print_check(checked, console)
    page = write_check(checked, out or RUNS / f"check-{folder.resolve().name}")
    console.print(f"page: {page}", highlight=False)
    if groups:
        write_groups(folder, samples, groups)
        console.print(f"groups: {groups}", highlight=False)
    if adapter == FOLDER and not recipe:
        console.print(f"Next: loupe-train recipe {folder}", highlight=False)


@command.command(
    "split",
    short_help="write a recipe's split to a file",
    epilog=examples("loupe-train data split mine.toml --data mine"),
)
@recipe_and_data_options
@click.option(
    "--out", type=PATH, metavar="FILE", default=Path("split.json"), show_default=True, help="file of the split"
)
def split_command(recipe_name: str, data: Path | None, out: Path) -> None:
    """Splits by the recipe's rule, refuses leaks, and writes a file with a hash for fit --split."""
    from training.data import check_leaks, ready_samples, split_samples

    recipe, folder = recipe_and_folder(recipe_name, data)
    split = split_samples(ready_samples(recipe, folder), recipe.split)
    check_leaks(split, folder)
    split.save(out)
    print(f"{out}: {split.counts()}; sha256 {split.sha256}")
    print(f"Next: loupe-train fit {recipe_name} --data {folder} --split {out}")


@command.command(
    "draw",
    short_help="write a small data set of drawn pictures, to try every step",
    epilog=examples("loupe-train data draw mine"),
)
@click.argument("folder", type=PATH, metavar="DIR", help="a new folder")
@click.option(
    "--pictures",
    type=click.IntRange(min=FEWEST_PICTURES),
    metavar="N",
    default=FEWEST_PICTURES,
    help=f"how many (default {FEWEST_PICTURES}, the fewest)",
)
def draw_command(folder: Path, pictures: int) -> None:
    """Draws fields of two classes, by ten made-up patients, into class folders with a groups.csv."""
    from training.drawn.data_set import write_drawn_set

    write_drawn_set(folder, pictures)
    print(f"drew {pictures} pictures. Next: loupe-train data check {folder}")
