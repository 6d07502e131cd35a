"""`loupe-train networks`."""

from __future__ import annotations

import argparse

from training.commands.options import Command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="*", help="networks to look at (default: all)")


def run(arguments: argparse.Namespace) -> None:
    from training.networks import NETWORKS
    from training.networks.table import rows

    for row in rows(arguments.name or tuple(NETWORKS)):
        print(row, flush=True)


COMMANDS = (
    Command("networks", "list the networks: parameters, size, whether all runs on integers", add_arguments, run),
)
