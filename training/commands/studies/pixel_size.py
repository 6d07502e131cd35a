"""`loupe-train pixel-size`: measure BreakHis' pixels by its nuclei, beside BACH's."""

from __future__ import annotations

from pathlib import Path

import click

from training.commands.options import PATH, RUNS, SHARED_DATA, examples


@click.command(
    "pixel-size",
    short_help="measure BreakHis' pixels by its nuclei, beside BACH's",
    epilog=examples("loupe-train pixel-size --bach bach --breakhis BreaKHis_v1"),
)
@click.option(
    "--bach", type=PATH, metavar="DIR", default=SHARED_DATA / "bach", show_default=True, help="folder of BACH's fields"
)
@click.option(
    "--breakhis", type=PATH, metavar="DIR", default=SHARED_DATA, show_default=True, help="folder with BreakHis' fields"
)
def command(bach: Path, breakhis: Path) -> None:
    """Finds the size of a pixel at which nuclei of BreakHis are as large as those of BACH, for each magnification."""
    from training.stamp import source, write_table
    from training.studies.pixel_size import pixel_size

    table = pixel_size(bach, breakhis)
    print(table)
    made_by = ("training.studies.pixel_size", "training.data.adapters.bach", "training.data.adapters.breakhis")
    print(f"wrote {write_table(table, RUNS / 'pixel-size.md', source('`loupe-train pixel-size`', made_by))}")
