"""`loupe-train routing`, `drift` and `colours`: what a clinic's box would do, replayed on real pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least
from training.commands.options import SHARED_DATA, Command, add_bundle, add_foreign, add_keys, open_reader

RECIPES = ("bach", "idc", "busi", "breakhis", "mammogram")


def _add_sets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sets",
        nargs="*",
        metavar="SET",
        help=f"a shipped recipe or a folder of pictures (default {', '.join(RECIPES)} and the foreign folders)",
    )
    parser.add_argument("--most", type=at_least(1), default=200, metavar="N", help="pictures of a set (default 200)")
    add_foreign(parser)


def _sets(arguments: argparse.Namespace) -> list[str]:
    foreign = sorted(str(path) for path in arguments.foreign.iterdir() if path.is_dir())
    return arguments.sets or [*RECIPES, *foreign]


def add_routing_arguments(parser: argparse.ArgumentParser) -> None:
    _add_sets(parser)
    parser.add_argument(
        "--bundles", type=Path, default=Path("models"), help="bundle or folder of them (default models)"
    )
    add_keys(parser)


def routing(arguments: argparse.Namespace) -> None:
    from device.reading.bundle import Bundle
    from device.reading.golden import bundle_files
    from device.reading.routing import Router
    from training.data import LIMITS
    from training.studies.routing import as_table, pictures_of, share_out

    bundles = [Bundle.open(path, arguments.keys) for path in bundle_files(arguments.bundles)]
    router = Router(bundles, LIMITS)
    rows = [share_out(router, *pictures_of(name, SHARED_DATA, arguments.most)) for name in _sets(arguments)]
    print(as_table(rows, [bundle.manifest["id"] for bundle in bundles]))


def add_drift_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="a shipped recipe (bach) or a .toml file")
    _add_sets(parser)
    add_bundle(parser)
    parser.add_argument(
        "--orders", type=at_least(1), default=20, metavar="N", help="random orders of the pictures (default 20)"
    )
    parser.add_argument(
        "--readings", type=Path, help="proper pictures, as crossval read them (default runs/RECIPE-crossval)"
    )


def drift(arguments: argparse.Namespace) -> None:
    from training.evaluation.table import load_table
    from training.recipe import load_recipe
    from training.studies.drift import as_table, drift_report

    recipe = load_recipe(arguments.recipe)
    table = load_table(arguments.readings or Path("runs") / f"{recipe.id}-crossval" / "readings.parquet")
    sets = [name for name in _sets(arguments) if name != recipe.id]
    reader = open_reader(arguments, recipe)
    print(as_table(drift_report(reader, table, sets, SHARED_DATA, arguments.most, arguments.orders)))


def add_colours_arguments(parser: argparse.ArgumentParser) -> None:
    _add_sets(parser)
    parser.add_argument(
        "--bundle", type=Path, default=Path("models/bach.loupe"), help="whose gate refuses (default models/bach.loupe)"
    )
    add_keys(parser)


def colours(arguments: argparse.Namespace) -> None:
    from device.reading.bundle import Bundle
    from device.reading.reading import Reader
    from training.data import LIMITS
    from training.studies.colours import DRAWN, as_table, halves_of, look

    reader = Reader(Bundle.open(arguments.bundle, arguments.keys), LIMITS)
    sets = arguments.sets or [DRAWN, *_sets(arguments)]
    rows = [look(reader, *half) for name in sets for half in halves_of(name, SHARED_DATA, arguments.most)]
    print(as_table(rows))


COMMANDS = (
    Command("routing", "which of several bundles reads which pictures", add_routing_arguments, routing),
    Command("colours", "what refused pictures are called by their own colours", add_colours_arguments, colours),
    Command("drift", "how soon the drift watch finds that another set's pictures come", add_drift_arguments, drift),
)
