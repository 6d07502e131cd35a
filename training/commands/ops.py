"""`loupe-train ops`: list a network's operations with their types."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, examples


@click.command(
    "ops",
    short_help="list a network's operations with their types",
    epilog=examples("loupe-train ops models/bach.loupe"),
)
@click.argument("file", type=PATH, metavar="FILE", help="a .tflite or .loupe file")
def command(file: Path) -> None:
    """Lists a network's operations with their types and how often each occurs: the box runs integers alone."""
    from training.quantization.convert import list_ops

    for op, count in sorted(list_ops(file.read_bytes()).items()):
        print(f"{count:4}  {op}")
