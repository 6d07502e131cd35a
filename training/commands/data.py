"""`loupe-train data check` and `loupe-train data split`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least
from training.commands.options import Command, add_recipe, recipe_and_data
from training.errors import DataError
from training.recipe import load_recipe

PICTURES = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = parser.add_subparsers(dest="what", required=True, metavar="WHAT", help="check, split or draw")
    checking = words.add_parser(
        "check",
        help="what is in a folder, and what would mislead",
        description="Opens every picture; prints counts, copies, unreadable files and how far patients give classes away.",
    )
    checking.add_argument("folder", type=Path, metavar="DIR", help="folder of the data set")
    by = checking.add_mutually_exclusive_group()
    by.add_argument("--adapter", default="folder", help="adapter that reads the folder (default folder: class folders)")
    by.add_argument("--recipe", help="take adapter, classes and options from a recipe instead")
    checking.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the adapter; may be repeated"
    )
    checking.add_argument("--out", type=Path, help="folder of the page check.html (default runs/check-DIR)")
    checking.add_argument("--groups", type=Path, help="write a groups.csv in which copies are in one group")
    checking.set_defaults(run_data=check_run)
    splitting = words.add_parser(
        "split",
        help="write a recipe's split to a file",
        description="Splits by the recipe's rule, refuses leaks, and writes a file with a hash for fit --split.",
    )
    add_recipe(splitting)
    splitting.add_argument("--out", type=Path, default=Path("split.json"), help="file (default split.json)")
    splitting.set_defaults(run_data=split_run)

    drawing = words.add_parser(
        "draw",
        help="write a small data set of drawn pictures, to try every step",
        description="Draws fields of two classes, by ten made-up patients, into class folders with a groups.csv.",
    )
    drawing.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    drawing.add_argument(
        "--pictures", type=at_least(PICTURES), default=PICTURES, help=f"how many (default {PICTURES}, the fewest)"
    )
    drawing.set_defaults(run_data=draw_run)


def draw_run(arguments: argparse.Namespace) -> None:
    from training.drawn.data_set import write_drawn_set

    write_drawn_set(arguments.folder, arguments.pictures)
    print(f"drew {arguments.pictures} pictures. Next: loupe-train data check {arguments.folder}")


def check_run(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from training.claims import doubts
    from training.data import default_labels, list_samples
    from training.data.check import check, write_groups
    from training.data.check_page import print_check, write_check
    from training.data.scale import scale_doubt

    recipe = None
    if arguments.recipe:
        recipe = load_recipe(arguments.recipe)
        adapter, options = recipe.data.adapter, dict(recipe.data.options)
        labels = tuple(label.id for label in recipe.labels)
    else:
        adapter, options = arguments.adapter, {}
        labels = default_labels(adapter, arguments.folder)
    for option in arguments.option:
        name, equals, value = option.partition("=")
        if not equals:
            raise DataError(f"--option {option} must be NAME=VALUE")
        options[name] = value
    notes: list[str] = []
    samples = list_samples(adapter, arguments.folder, labels, options, notes.append)
    if recipe:
        notes += (f"{arguments.recipe}: {doubt}" for doubt in doubts(arguments.recipe, recipe))
    if recipe and (doubt := scale_doubt(recipe, arguments.folder, samples)):
        notes.append(f"{arguments.recipe}: {doubt}")
    found = check(arguments.folder, adapter, labels, samples, notes)
    console = Console()
    print_check(found, console)
    page = write_check(found, arguments.out or Path("runs") / f"check-{arguments.folder.resolve().name}")
    console.print(f"page: {page}", highlight=False)
    if arguments.groups:
        write_groups(arguments.folder, samples, arguments.groups)
        console.print(f"groups: {arguments.groups}", highlight=False)
    if adapter == "folder" and not recipe:
        console.print(f"Next: loupe-train recipe {arguments.folder}", highlight=False)


def split_run(arguments: argparse.Namespace) -> None:
    from training.data import check_leaks, ready_samples, split_samples

    recipe, data = recipe_and_data(arguments)
    split = split_samples(ready_samples(recipe, data), recipe.split)
    check_leaks(split, data)
    split.save(arguments.out)
    print(f"{arguments.out}: {split.counts()}; sha256 {split.sha256}")
    print(f"Next: loupe-train fit {arguments.recipe} --data {data} --split {arguments.out}")


def run(arguments: argparse.Namespace) -> None:
    arguments.run_data(arguments)


COMMANDS = (
    Command(
        "data", "look a data set over, or write its split", add_arguments, run, "Looks after data sets and splits."
    ),
)
