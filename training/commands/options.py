"""What commands of `loupe-train` share: a command's description and the arguments that several take.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import RunError
from training.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from device.reading.reading import Reader

_LOG = logging.getLogger(__name__)

SHARED_DATA = Path("../shared/data")
FOREIGN = SHARED_DATA / "ood"
KEYS = Path("models/keys")
SAMPLES = Path("models/samples")


@dataclass(frozen=True)
class Command:
    """One word after `loupe-train`."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
    description: str | None = None


def add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="a shipped recipe (bach) or a .toml file")
    parser.add_argument("--data", type=Path, help=f"folder of the data set (default {SHARED_DATA}/ADAPTER)")


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, help="folder of the run (default runs/RECIPE)")


def add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keys", type=Path, default=KEYS, help=f"folder of trusted public keys (default {KEYS})")


def add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", type=Path, help="bundle file (default models/RECIPE.loupe)")
    add_keys(parser)


def add_foreign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--foreign", type=Path, default=FOREIGN, help=f"folder of folders (default {FOREIGN})")


def recipe_and_data(arguments: argparse.Namespace) -> tuple[Recipe, Path]:
    """The recipe that the arguments name and the folder of its data. What can't be so in it is said."""
    from training.claims import doubts

    recipe = load_recipe(arguments.recipe)
    for doubt in doubts(arguments.recipe, recipe):
        _LOG.warning("%s: %s", arguments.recipe, doubt)
    return recipe, data_folder(arguments, recipe)


def data_folder(arguments: argparse.Namespace, recipe: Recipe) -> Path:
    folder: Path | None = arguments.data
    return folder or SHARED_DATA / recipe.data.adapter


def run_folder(arguments: argparse.Namespace, recipe: Recipe) -> Path:
    return arguments.run or Path("runs") / recipe.id


def bundle_file(arguments: argparse.Namespace, recipe: Recipe) -> Path:
    return arguments.bundle or Path("models") / f"{recipe.id}.loupe"


def open_reader(arguments: argparse.Namespace, recipe: Recipe) -> Reader:
    """The box's reader of the bundle that the arguments name. Raises `RunError` where it isn't made yet."""
    from device.reading.bundle import Bundle
    from device.reading.reading import Reader
    from training.data import LIMITS

    bundle = bundle_file(arguments, recipe)
    if not bundle.is_file():
        raise RunError(
            f"there is no bundle {bundle}: make it with `loupe-train pack {arguments.recipe}`, or give --bundle"
        )
    return Reader(Bundle.open(bundle, arguments.keys), LIMITS)
