"""`loupe bench`."""

from __future__ import annotations

import click

from device.commands.command import print_at_once, settings_command
from device.settings import Settings

REPEATS = 50


@settings_command("bench", "measure this machine")
@click.option(
    "-n", "repeats", type=click.IntRange(min=1), default=REPEATS, metavar="N", help=f"repeats (default {REPEATS})"
)
def bench(settings: Settings, _language: str, repeats: int) -> int:
    """Time the bare network, the pipeline and HTTP in one run, and print the memory that they take.

    Timings of one run compare with each other, not with those of another machine.
    """
    from device.bench import run_bench

    print_at_once(run_bench(settings, repeats))
    return 0
