"""`loupe-train recipe`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import Command
from training.errors import RecipeError
from training.recipe import CHOICES, RANGES

MODALITIES = CHOICES["modality"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with a folder of pictures for each class")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the recipe (default NAME.toml, NAME that of the folder)"
    )
    parser.add_argument("--id", metavar="NAME", help="of the model (default the recipe's file name)")
    parser.add_argument("--modality", choices=MODALITIES, default=MODALITIES[0], help=f"(default {MODALITIES[0]})")
    parser.add_argument(
        "--um-per-px", type=float, metavar="UM", help="size of the pictures' own pixels, µm, if you know it"
    )


def run(arguments: argparse.Namespace) -> None:
    from training.recipe_draft import draft, label_id

    folder: Path = arguments.folder
    out: Path = arguments.out or Path(f"{label_id(folder.resolve().name)}.toml")
    low, high = RANGES["data.um_per_px"]
    if arguments.um_per_px is not None and not low <= arguments.um_per_px <= high:
        raise RecipeError(f"--um-per-px {arguments.um_per_px:g} must lie in {low:g}…{high:g}")
    if out.exists():
        raise RecipeError(f"{out} is there already: give --out, another file")
    drafted = draft(folder, arguments.id or label_id(out.stem), arguments.modality, arguments.um_per_px)
    out.write_text(drafted.text, encoding="utf-8")
    print(f"wrote {out}. Say in it what no program can know:")
    for words in drafted.to_say:
        print(f"- {words}")
    print(f"Next: loupe-train data split {out} --data {folder}")


COMMANDS = (
    Command(
        "recipe",
        "draft a recipe for a folder of your own pictures",
        add_arguments,
        run,
        "Looks at a folder with a folder of pictures for each class and writes a recipe with what it could measure.",
    ),
)
