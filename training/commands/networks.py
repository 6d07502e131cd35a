"""`loupe-train networks`: list the networks: parameters, size, whether all runs on integers."""

from __future__ import annotations

import click

from training.commands.options import examples


@click.command(
    "networks",
    short_help="list the networks: parameters, size, whether all runs on integers",
    epilog=examples("loupe-train networks", "loupe-train networks lite0 conv5"),
)
@click.argument("names", nargs=-1, metavar="[NAME]...", help="networks to look at (default: all)")
def command(names: tuple[str, ...]) -> None:
    """Builds each network with random weights, converts it, and lists parameters, size and operations."""
    from training.networks import NETWORKS
    from training.networks.table import rows

    for row in rows(names or tuple(NETWORKS)):
        print(row, flush=True)
