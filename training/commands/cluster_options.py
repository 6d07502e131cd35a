"""Arguments of the commands that run on the distributed engine."""

from __future__ import annotations

import argparse

from device.arguments import at_least


def add_engine(parser: argparse.ArgumentParser, workers: int) -> None:
    parser.add_argument(
        "--workers",
        type=at_least(1),
        default=workers,
        help=f"processes on this machine, one thread each (default {workers})",
    )
    parser.add_argument("--scheduler", help="tcp://HOST:8786 of a running Dask cluster, instead of this machine")
