"""The drift watch replayed on real pictures: `loupe-train drift`.

Pictures of a recipe's cross-validation, each read by a gate that had not seen its group, come first, in random order and
each as a sitting of its own; then those of another set, as the shipped bundle reads them. Over many orders: how often the
watch says that pictures have changed before they have, and how many changed pictures it needs. Patients who gave several
pictures are torn apart by the random order, so this says nothing about sittings.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from device.reading.drift_test import SITTING_GAP_S, Watch, calibration_sizes, p_values_of
from device.reading.reading import Reader
from training.data.pictures import counted
from training.evaluation.words import markdown_table
from training.studies.routing import pictures_of

P_PREFIX = "p_"
PValues = dict[str, float]


@dataclass(frozen=True)
class Replay:
    """Of one set: pictures before and after the change, orders, false alarms before it, and in how many changed pictures
    it was found (None: not at all), an order each."""

    name: str
    before: int
    after: int
    false_alarms: int
    found: tuple[int | None, ...]


def proper_p_values(table: pd.DataFrame, questions: Sequence[str]) -> list[PValues]:
    """p-values of a cross-validation's readings, by question."""
    read = table[table["error"].isna()]
    return [{name: float(row[P_PREFIX + name]) for name in questions} for _, row in read.iterrows()]


def replay(
    name: str, sizes: dict[str, int], proper: Sequence[PValues], changed: Sequence[PValues], orders: int
) -> Replay:
    """The watch over `proper`, then `changed`, in so many random orders."""
    random.seed(0)
    start, false_alarms, delays = datetime(2026, 1, 1), 0, []
    for _ in range(orders):
        stream = [*random.sample(proper, len(proper)), *random.sample(changed, len(changed))]
        watch, at = Watch(start.date().isoformat(), {}), None
        for k, p_values in enumerate([*stream, stream[-1]]):  # the last one closes the sitting before it
            now = start + timedelta(seconds=2 * SITTING_GAP_S * k)
            watch = watch.with_picture(p_values, sizes, now, random.random)
            if watch.alarm:
                at = k
                break
        false_alarms += at is not None and at <= len(proper)
        if at is None or at > len(proper):
            delays.append(None if at is None else at - len(proper))
    return Replay(name, len(proper), len(changed), false_alarms, tuple(delays))


def drift_report(
    reader: Reader, table: pd.DataFrame, sets: Sequence[str], shared: Path, most: int, orders: int
) -> list[Replay]:
    """A replay for each set: a shipped recipe's data below `shared`, or a folder."""
    sizes = calibration_sizes(reader.bundle)
    proper = proper_p_values(table, list(sizes))
    rows = []
    for wanted in sets:
        name, pictures = pictures_of(wanted, shared, most)
        changed = [p_values_of(reader.read(data)) for data in counted(pictures, name)]
        rows.append(replay(name, sizes, proper, changed, orders))
    return rows


def as_table(rows: Sequence[Replay]) -> str:
    """Markdown: a set a row."""
    head = [
        "then",
        "pictures before",
        "pictures after",
        "orders",
        "false alarms before",
        "found",
        "within, median (worst)",
    ]
    cells = []
    for row in rows:
        times = [at for at in row.found if at is not None]
        within = f"{np.median(times):.0f} ({max(times)})" if times else "–"
        orders = row.false_alarms + len(row.found)
        counts = [row.before, row.after, orders, row.false_alarms]
        cells.append([row.name, *map(str, counts), f"{len(times)} of {len(row.found)}", within])
    return markdown_table(head, cells)
