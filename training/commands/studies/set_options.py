"""Arguments of the studies that replay what a clinic's box would do on several sets of pictures."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import foreign_option, joined

RECIPES = ("bach", "idc", "busi", "breakhis", "mammogram")

sets_options = joined(
    click.argument(
        "sets",
        nargs=-1,
        metavar="[SET]...",
        help=f"a shipped recipe or a folder of pictures (default {', '.join(RECIPES)} and the foreign folders)",
    ),
    click.option(
        "--most", type=click.IntRange(min=1), metavar="N", default=200, show_default=True, help="pictures of a set"
    ),
    foreign_option,
)


def default_sets(foreign: Path) -> list[str]:
    """The shipped recipes and every folder of foreign pictures."""
    return [*RECIPES, *sorted(str(path) for path in foreign.iterdir() if path.is_dir())]
