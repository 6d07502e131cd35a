"""`loupe-train score`: read all pictures under a folder with a bundle into a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from training.commands.cluster_options import cluster_options
from training.commands.options import PATH, Decorated, examples, keys_option

BATCH = 64
MAX_MEGAPIXELS, MAX_UPLOAD_MB = 64, 32  # of a new box


def limit_option(flag: str, default: int, meaning: str) -> Callable[[Decorated], Decorated]:
    """An option for a limit of the box, named as the box's setting."""
    meaning += f": the box's setting of this name (default of a new box, {default})"
    return click.option(flag, type=click.IntRange(min=1), metavar="N", default=default, help=meaning)


@click.command(
    "score",
    short_help="read all pictures under a folder with a bundle into a table",
    epilog=examples("loupe-train score /data/slides --bundle models/bach.loupe --out readings.parquet"),
)
@click.argument("folder", type=PATH, metavar="DIR", help="folder of pictures, with any folders in it")
@click.option("--bundle", "bundle_file", type=PATH, metavar="FILE", required=True, help="bundle file that reads")
@click.option(
    "--out", type=PATH, metavar="FILE", default=Path("readings.parquet"), show_default=True, help="table of readings"
)
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", default=BATCH, show_default=True, help="pictures a task"
)
@click.option(
    "--um-per-px",
    type=float,
    metavar="UM",
    help="size of the pictures' pixels, µm: they are read at the model's own scale (default: as fields of its own area)",
)
@click.option("--benchmark", "benchmarks", is_flag=True, help="write nothing; measure one worker against --workers")
@limit_option("--max-megapixels", MAX_MEGAPIXELS, "largest picture, millions of pixels")
@limit_option("--max-upload-mb", MAX_UPLOAD_MB, "largest file, MB")
@keys_option
@cluster_options
def command(
    folder: Path,
    bundle_file: Path,
    out: Path,
    batch: int,
    um_per_px: float | None,
    benchmarks: bool,
    max_megapixels: int,
    max_upload_mb: int,
    keys: Path,
    workers: int,
    scheduler: str | None,
) -> None:
    """Reads every picture under a folder as the box would, on many workers, into a Parquet table.

    An interrupted scoring goes on where it stopped when the same command is given again.
    """
    from training.distributed.engine import connect
    from training.distributed.score import benchmark, benchmark_table, readings_summary, score, ship

    shipment = ship(bundle_file, keys, max_megapixels, max_upload_mb, um_per_px)
    if benchmarks:
        counts = sorted({1, workers})
        print(benchmark_table(benchmark(folder, shipment, counts, batch)))
        return
    with connect(scheduler, workers) as client:
        table = score(folder, shipment, client, out, batch)
    print(readings_summary(table))
    print(f"wrote {out}")
