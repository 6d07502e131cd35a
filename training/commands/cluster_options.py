"""Options of the commands that run on several processes or a cluster."""

from __future__ import annotations

import click

from training.commands.options import joined

WORKERS = 2

cluster_options = joined(
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        default=WORKERS,
        show_default=True,
        help="processes on this machine, one thread each",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS", help="tcp://HOST:8786 of a running Dask cluster, instead of this machine"
    ),
)
