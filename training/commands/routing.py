"""`loupe-train routing`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.options import SHARED_DATA, Command, add_foreign, add_keys

RECIPES = ("bach", "idc", "busi", "breakhis", "mammogram")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sets",
        nargs="*",
        metavar="SET",
        help=f"a shipped recipe or a folder of pictures (default {', '.join(RECIPES)} and the foreign folders)",
    )
    parser.add_argument(
        "--bundles", type=Path, default=Path("models"), help="bundle or folder of them (default models)"
    )
    parser.add_argument("--most", type=int, default=200, metavar="N", help="pictures of a set (default 200)")
    add_keys(parser)
    add_foreign(parser)


def run(arguments: argparse.Namespace) -> None:
    from device.bundle import Bundle
    from device.golden import bundle_files
    from device.routing import Router
    from training.data import LIMITS
    from training.routing_report import as_table, pictures_of, share_out

    bundles = [Bundle.open(path, arguments.keys) for path in bundle_files(arguments.bundles)]
    router = Router(bundles, LIMITS)
    sets = arguments.sets or [*RECIPES, *(str(path) for path in sorted(arguments.foreign.iterdir()) if path.is_dir())]
    rows = [share_out(router, *pictures_of(name, SHARED_DATA, arguments.most)) for name in sets]
    print(as_table(rows, [bundle.manifest["id"] for bundle in bundles]))


COMMANDS = (
    Command("routing", "which of several bundles reads which pictures, and which none does", add_arguments, run),
)
