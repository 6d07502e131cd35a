"""`loupe-train score`."""

from __future__ import annotations

import argparse
from pathlib import Path

from device.arguments import at_least
from training.commands.cluster_options import add_engine
from training.commands.options import Command, add_keys

BATCH, WORKERS = 64, 2
MAX_MEGAPIXELS, MAX_UPLOAD_MB = 64, 32  # of a new box


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of pictures, with any folders in it")
    parser.add_argument("--bundle", type=Path, required=True, help="bundle file that reads")
    parser.add_argument("--out", type=Path, default=Path("readings.parquet"), help="table (default readings.parquet)")
    parser.add_argument("--batch", type=at_least(1), default=BATCH, help=f"pictures a task (default {BATCH})")
    parser.add_argument("--benchmark", action="store_true", help="write nothing; measure one worker against --workers")
    for flag, default, meaning in (
        ("--max-megapixels", MAX_MEGAPIXELS, "largest picture, millions of pixels"),
        ("--max-upload-mb", MAX_UPLOAD_MB, "largest file, MB"),
    ):
        meaning += f": the box's setting of this name (default of a new box, {default})"
        parser.add_argument(flag, type=at_least(1), default=default, metavar="N", help=meaning)
    add_keys(parser)
    add_engine(parser, WORKERS)


def run(arguments: argparse.Namespace) -> None:
    from training.distributed.engine import connect
    from training.distributed.score import benchmark, benchmark_table, score, ship, told

    shipment = ship(arguments.bundle, arguments.keys, arguments.max_megapixels, arguments.max_upload_mb)
    if arguments.benchmark:
        counts = sorted({1, arguments.workers})
        print(benchmark_table(benchmark(arguments.folder, shipment, counts, arguments.batch)))
        return
    with connect(arguments.scheduler, arguments.workers) as client:
        table = score(arguments.folder, shipment, client, arguments.out, arguments.batch)
    print(told(table))
    print(f"wrote {arguments.out}")


COMMANDS = (
    Command(
        "score",
        "read all pictures under a folder with a bundle into a table",
        add_arguments,
        run,
        "Reads every picture under a folder as the box would, on many workers, into a Parquet table. An interrupted "
        "scoring goes on where it stopped when the same command is given again.",
    ),
)
