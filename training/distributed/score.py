"""Scoring: read every picture under a folder with a bundle, by the box's code, on many workers.

The bundle travels with the tasks, so a worker needs only the pictures' folder, under the same path. What workers give
back is kept in part files beside the result (`OUT.parts`) until all is read; an interrupted scoring goes on from them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from distributed import Client

from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.keys import trusted_keys
from device.reading.reading import Reader
from device.reading.sections import check_um_per_px
from training.data import Sample
from training.data.files import PICTURES, list_files, passed_over_words
from training.distributed.engine import Failure, connect, raise_failures, run_tasks
from training.errors import DataError, ScoreError
from training.evaluation.table import load_table, read_table, save_table

_LOG = logging.getLogger(__name__)

BYTES_PER_MB = 1_000_000
UNKNOWN = -1  # a class index that stands for no class
KILLED = "worker_killed"
PLAN = "plan.json"
REPEATS = 3
MEASURED_PICTURES = 2000
MEASURED_BATCHES = 32  # enough that no worker waits long for the last one
NAMED = 5

Batches = dict[str, list[str]]  # by the first file


@dataclass(frozen=True)
class Shipment:
    """A bundle, the public keys that are trusted, a box's limits, and the size of all pictures' pixels where known, as
    they travel to workers."""

    name: str
    bundle: bytes
    keys: tuple[tuple[str, bytes], ...]
    limits: Limits
    max_bytes: int
    um_per_px: float | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.bundle).hexdigest()

    @property
    def limit_words(self) -> str:
        limits = ", ".join(f"{name} {value:g}" for name, value in asdict(self.limits).items())
        scale = "" if self.um_per_px is None else f", um_per_px {self.um_per_px:g}"
        return f"{limits}, max_bytes {self.max_bytes}{scale}"


def ship(bundle: Path, keys: Path, max_megapixels: int, max_upload_mb: int, um_per_px: float | None = None) -> Shipment:
    """What workers read with. The limits are the settings of those names of the box that is meant. Raises the
    `BundleError` that any worker would raise, `ScaleInvalid`."""
    if um_per_px is not None:
        check_um_per_px(um_per_px)
    Bundle.open(bundle, keys)
    names = [name for name, _ in trusted_keys(keys).keys.values()]
    return Shipment(
        bundle.name,
        bundle.read_bytes(),
        tuple((name, (keys / f"{name}.pub").read_bytes()) for name in names),
        Limits(max_megapixels=max_megapixels),
        max_upload_mb * BYTES_PER_MB,
        um_per_px,
    )


@lru_cache(maxsize=1)
def open_shipment(shipment: Shipment) -> Reader:
    """This process's reader: opened once, verified as on the box."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / shipment.name
        path.write_bytes(shipment.bundle)
        (keys := Path(folder) / "keys").mkdir()
        for name, key in shipment.keys:
            (keys / f"{name}.pub").write_bytes(key)
        return Reader(Bundle.open(path, keys), shipment.limits)


def find_pictures(folder: Path) -> list[str]:
    """Picture files under a folder, relative, with "/" between names, sorted; what is passed over goes to the log. Raises
    `DataError` when there is none."""
    files = list_files(folder)
    if passed_over := passed_over_words(files):
        _LOG.warning(passed_over)
    pictures = list(files.pictures)
    if not pictures:
        raise DataError(f"{folder} has no pictures ({', '.join(PICTURES)}): name the folder that holds them")
    return pictures


def read_batch(shipment: Shipment, folder: Path, files: Sequence[str]) -> pd.DataFrame:
    """Run on a worker: the readings of some files. Raises `DataError` when this machine doesn't see the folder."""
    if not folder.is_dir():
        raise DataError(
            f"{os.uname().nodename} has no folder {folder}: a worker needs the pictures under the same path, "
            "on a shared disk"
        )
    reader = open_shipment(shipment)
    samples = [Sample(file, UNKNOWN, "") for file in files]
    return read_table(
        reader,
        folder,
        samples,
        reader.bundle.labels,
        max_bytes=shipment.max_bytes,
        um_per_px=shipment.um_per_px,
    )


def _batches(files: Sequence[str], size: int) -> Batches:
    return {files[start]: list(files[start : start + size]) for start in range(0, len(files), size)}


def _begin(folder: Path, plan: dict[str, str]) -> None:
    """Make the folder of part files. Raises `ScoreError` when it is another scoring's."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / PLAN
    if not file.is_file():
        file.write_text(json.dumps(plan, indent=2))
    begun = json.loads(file.read_text())
    for name, value in plan.items():
        if begun.get(name) != value:
            raise ScoreError(
                f"{folder} holds an unfinished scoring with another {name} ({begun.get(name)}, now {value}): "
                "give another --out, or remove that folder"
            )


def _add_part(folder: Path, table: pd.DataFrame) -> None:
    save_table(table, folder / f"{hashlib.sha256(table['file'].iloc[0].encode()).hexdigest()[:16]}.parquet")


def _parts(folder: Path) -> pd.DataFrame | None:
    """What is read so far, by file."""
    tables = [load_table(path) for path in sorted(folder.glob("*.parquet"))]
    if not tables:
        return None
    return pd.concat(tables, ignore_index=True).sort_values("file", ignore_index=True)


def score(folder: Path, shipment: Shipment, client: Client, out: Path, batch: int) -> pd.DataFrame:
    """Read the pictures under a folder, `batch` a task, into a readings table at `out`; the table.

    Raises `ScoreError` when `out` is there already, and `TaskFailed` when a batch failed for another reason than its
    pictures; what was read is kept then, and the next call goes on.
    """
    if out.exists():
        raise ScoreError(f"{out} is there already: give another --out, or remove it")
    folder, parts = folder.resolve(), out.with_name(out.name + ".parts")
    files = find_pictures(folder)
    _begin(parts, {"bundle": shipment.sha256, "folder": str(folder), "limits": shipment.limit_words})
    known = _parts(parts)
    rest = files if known is None else sorted(set(files) - set(known["file"]))
    if len(rest) < len(files):
        print(f"{len(files) - len(rest)} of {len(files)} pictures are read already")
    batches = _batches(rest, batch)
    failures = _read(client, shipment, folder, batches, parts)
    # A picture that kills workers takes its batch along: the pictures of such a batch are read one by one.
    suspects = _batches([file for failure in failures if failure.killed for file in batches[failure.task]], 1)
    alone = _read(client, shipment, folder, suspects, parts)
    # What waits for a worker that dies is suspected with it, so the last word is spoken with nothing else waiting.
    last = [
        failure
        for suspect in alone
        if suspect.killed
        for failure in _read(client, shipment, folder, {suspect.task: [suspect.task]}, parts)
    ]
    for failure in last:
        if failure.killed:
            _add_part(parts, _killed_row(shipment, folder, failure.task))
    others = [failure for failure in (*failures, *alone, *last) if not failure.killed]
    raise_failures(others, "batches", len(batches))
    table = _parts(parts)
    assert table is not None
    table = table[table["file"].isin(files)].reset_index(drop=True)  # a file may have gone since an earlier call
    save_table(table, out)
    shutil.rmtree(parts)
    return table


def _tasks(client: Client, shipment: Shipment, folder: Path, batches: Batches) -> dict[str, tuple[Any, ...]]:
    """The bundle is a task itself, shared by the others: if the worker that holds it dies, another makes it again."""
    if not batches:
        return {}
    content = {field.name: getattr(shipment, field.name) for field in fields(Shipment)}
    bundle = client.submit(Shipment, **content, key=f"bundle-{shipment.sha256}-{shipment.limit_words}")
    return {name: (bundle, folder, files) for name, files in batches.items()}


def _read(client: Client, shipment: Shipment, folder: Path, batches: Batches, parts: Path) -> list[Failure]:
    if not batches:
        return []
    return run_tasks(
        client,
        read_batch,
        _tasks(client, shipment, folder, batches),
        "read",
        lambda _, table: _add_part(parts, table),
        unit="pictures",
        size=lambda name: len(batches[name]),
    )


def _killed_row(shipment: Shipment, folder: Path, file: str) -> pd.DataFrame:
    reader = open_shipment(shipment)
    empty = read_table(reader, folder, [], reader.bundle.labels)
    row = {"file": file, "group": "", "fold": "", "caution": False, "error": KILLED}
    return pd.DataFrame([row], columns=empty.columns).astype(empty.dtypes)


def benchmark(folder: Path, shipment: Shipment, counts: Sequence[int], batch: int) -> dict[int, list[float]]:
    """Pictures a second with each number of local workers, each repeat: on the same pictures, by turns.

    Starting the workers and opening the bundle is left out; reading, and handing the tables back, is in.
    """
    folder = folder.resolve()
    files = find_pictures(folder)
    files = files[:: -(-len(files) // MEASURED_PICTURES)]
    batches = _batches(files, max(1, min(batch, len(files) // MEASURED_BATCHES)))
    rates: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(REPEATS):
        for count in counts:
            with connect(None, count) as client:
                client.run(read_batch, shipment, folder, files[:1])
                started = time.perf_counter()
                failures = run_tasks(
                    client,
                    read_batch,
                    _tasks(client, shipment, folder, batches),
                    f"read with {count}",
                    lambda *_: None,
                    unit="pictures",
                    size=lambda name: len(batches[name]),
                )
                rates[count].append(len(files) / (time.perf_counter() - started))
                raise_failures(failures, "batches", len(batches))
    return rates


def benchmark_table(rates: dict[int, list[float]]) -> str:
    """Markdown: the median of each number of workers, the range of its repeats, and how much faster than the first."""
    medians = {count: statistics.median(values) for count, values in rates.items()}
    first = next(iter(medians.values()))
    lines = ["| workers | pictures/s, median | range | speed-up |", "|---|---|---|---|"]
    lines += [
        f"| {count} | {medians[count]:.1f} | {min(values):.1f}–{max(values):.1f} | {medians[count] / first:.2f}× |"
        for count, values in rates.items()
    ]
    return "\n".join(lines)


def readings_summary(table: pd.DataFrame) -> str:
    """What a person wants to know of a scoring, in lines."""
    read = table["error"].isna()
    lines = [
        f"{len(table)} pictures",
        f"refused by the gate: {int(table['reason'].notna().sum())} of {int(read.sum())}",
    ]
    for code, part in table[~read].groupby("error"):
        names = ", ".join(part["file"].iloc[:NAMED]) + (", …" if len(part) > NAMED else "")
        lines.append(f"unreadable, {code}: {len(part)} ({names})")
    return "\n".join(lines)
