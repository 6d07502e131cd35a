"""`loupe-train colours`: what refused pictures are called by their own colours."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, RUNS, SHARED_DATA, examples, keys_option
from training.commands.studies.set_options import default_sets, sets_options

BUNDLE = Path("models/bach.loupe")


@click.command(
    "colours",
    short_help="what refused pictures are called by their own colours",
    epilog=examples("loupe-train colours drawn bach busi --most 100"),
)
@sets_options
@click.option(
    "--bundle",
    "bundle_file",
    type=PATH,
    metavar="FILE",
    default=BUNDLE,
    show_default=True,
    help="bundle file whose gate refuses",
)
@keys_option
def command(sets: tuple[str, ...], most: int, foreign: Path, bundle_file: Path, keys: Path) -> None:
    """Reads sets as the box does and counts what refused pictures are called by their own colours."""
    from device.reading.bundle import Bundle
    from device.reading.reading import Reader
    from training.data import LIMITS
    from training.stamp import source, write_table
    from training.studies.colours import DRAWN, as_table, halves_of, look

    reader = Reader(Bundle.open(bundle_file, keys), LIMITS)
    names = sets or [DRAWN, *default_sets(foreign)]
    rows = [look(reader, *half) for name in names for half in halves_of(name, SHARED_DATA, most)]
    table = as_table(rows)
    print(table)
    read_by = {f"bundle {reader.bundle.name}": reader.bundle.sha256}
    made_from = source("`loupe-train colours`", ("training.studies.colours",), read_by, sets=" ".join(names), most=most)
    print(f"wrote {write_table(table, RUNS / 'colours.md', made_from)}")
