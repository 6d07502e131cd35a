"""What commands of `loupe-train` share: arguments and options that several take, and what these lead to."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

from training.errors import RunError
from training.recipe import Recipe, load_recipe, shipped_recipes

if TYPE_CHECKING:
    from device.reading.reading import Reader

_LOG = logging.getLogger(__name__)

SHARED_DATA = Path("../shared/data")
FOREIGN = SHARED_DATA / "ood"
KEYS = Path("models/keys")
MODELS = Path("models")
RUNS = Path("runs")
SAMPLES = Path("models/samples")

# Whether a file is there is asked where it is opened: the answer then says what would make it.
PATH = click.Path(path_type=Path)

Decorated = TypeVar("Decorated", bound=Callable[..., object] | click.Command)
Decorator: TypeAlias = Callable[[Decorated], Decorated]


class RecipeName(click.ParamType[str]):
    """The name of a shipped recipe or of a file, as text; a shell completes both."""

    name = "recipe"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del ctx, param
        names = [CompletionItem(name) for name in shipped_recipes() if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


def examples(*lines: str) -> str:
    """The end of a command's help: lines that can be typed as they stand."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def joined(*decorators: Decorator[Decorated]) -> Decorator[Decorated]:
    """Several of click's decorators as one; the first comes first in the help."""

    def decorate(function: Decorated) -> Decorated:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


recipe_argument = click.argument(
    "recipe_name", metavar="RECIPE", type=RecipeName(), help="a shipped recipe (bach) or a .toml file"
)
data_option = click.option(
    "--data", type=PATH, metavar="DIR", help=f"folder of the data set (default {SHARED_DATA}/ADAPTER)"
)
recipe_and_data_options = joined(recipe_argument, data_option)
run_option = click.option(
    "--run", "run_folder", type=PATH, metavar="DIR", help=f"folder of the run (default {RUNS}/RECIPE)"
)
crossval_option = click.option(
    "--crossval", type=PATH, metavar="DIR", help=f"folder of the cross-validation (default {RUNS}/RECIPE-crossval)"
)
keys_option = click.option(
    "--keys", type=PATH, metavar="DIR", default=KEYS, show_default=True, help="folder of trusted public keys"
)
bundle_option = click.option(
    "--bundle", "bundle_file", type=PATH, metavar="FILE", help=f"bundle file (default {MODELS}/RECIPE.loupe)"
)
foreign_option = click.option(
    "--foreign",
    type=PATH,
    metavar="DIR",
    default=FOREIGN,
    show_default=True,
    help="folder with a folder of pictures for each kind of foreign picture",
)
epochs_option = click.option(
    "--epochs",
    type=click.IntRange(min=0),
    metavar="N",
    help="instead of the recipe's; 0 leaves the linear probe",
)


def typed_command(without: str) -> str:
    """The command line as it was typed, for whoever makes the figure anew. `without`: an option that says nothing of how a
    figure is made, and may name a person's folder."""
    words: list[str] = click.get_current_context().obj
    telling = [
        word
        for before, word in pairwise(["", *words])
        if without not in (before, word) and not word.startswith(f"{without}=")
    ]
    return f"loupe-train {shlex.join(telling)}"


def recipe_and_folder(recipe_name: str, data: Path | None) -> tuple[Recipe, Path]:
    """The recipe of a name and the folder of its data. What can't be so in the recipe is noted."""
    from training.claims import doubts

    recipe = load_recipe(recipe_name)
    for doubt in doubts(recipe_name, recipe):
        _LOG.warning("%s: %s", recipe_name, doubt)
    return recipe, data_folder(data, recipe)


def data_folder(data: Path | None, recipe: Recipe) -> Path:
    """Where a recipe's pictures lie."""
    return data or recipe.data.folder_below(SHARED_DATA)


def run_folder_of(run_folder: Path | None, recipe: Recipe) -> Path:
    return run_folder or RUNS / recipe.id


def crossval_folder(crossval: Path | None, recipe: Recipe) -> Path:
    return crossval or RUNS / f"{recipe.id}-crossval"


def bundle_of(bundle_file: Path | None, recipe: Recipe) -> Path:
    return bundle_file or MODELS / f"{recipe.id}.loupe"


def open_reader(recipe_name: str, recipe: Recipe, bundle_file: Path | None, keys: Path) -> Reader:
    """The box's reader of a recipe's bundle. Raises `RunError` where it isn't made yet."""
    from device.reading.bundle import Bundle
    from device.reading.reading import Reader
    from training.data import LIMITS

    bundle = bundle_of(bundle_file, recipe)
    if not bundle.is_file():
        raise RunError(f"there is no bundle {bundle}: make it with `loupe-train pack {recipe_name}`, or give --bundle")
    return Reader(Bundle.open(bundle, keys), LIMITS)
