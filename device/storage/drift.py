"""The drift watch: have the pictures that this clinic sends changed from those that a bundle's gate was calibrated on?

A reading adds one to the counts of its day in a file of the box's store (readings, cautions, refusals by reason, and a
histogram of each question's p-value in `BINS` bins), and changes the state of a test. No picture, no feature and no score
is stored; of times only days and that of the last picture. A picture can't be made again from twenty counts. But on a day
with few readings the counts tell what single ones were, and who sees the store's file change sees when.

The test itself is `device/reading/drift_test.py`.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.json import decode, encode
from msgspec.structs import replace

from device.base.errors import LoupeError, StoreUnusable
from device.reading.bundle import Bundle
from device.reading.drift_test import (
    BINS,
    UNUSABLE,
    Alarm,
    Count,
    Histogram,
    Watch,
    bin_of,
    calibration_sizes,
    p_values_of,
)
from device.reading.reading import Reading
from device.reading.site.standing import NOT_COMMISSIONED, Standing
from device.storage.migrations import statements
from device.storage.store import Store, beside

DAYS_KEPT = 400
PATIENCE_S = 0.2  # a reading waits no longer for a store that something else has locked

# The versions of the tables (`device/storage/migrations.py`).
STEPS = (
    statements(
        "CREATE TABLE IF NOT EXISTS drift_day "
        "(bundle TEXT, day TEXT, counts TEXT NOT NULL, PRIMARY KEY (bundle, day)) WITHOUT ROWID",
        "CREATE TABLE IF NOT EXISTS drift_watch (bundle TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    ),
)


class Counts(Struct, frozen=True):
    """Of one day or of several: `bins` has each question's histogram of p-values."""

    readings: Count
    cautions: Count
    reasons: Mapping[str, Count]
    bins: Mapping[str, Histogram]

    @property
    def refused(self) -> int:
        return sum(self.reasons.values())

    def __add__(self, other: Counts) -> Counts:
        none = (0,) * BINS
        return Counts(
            self.readings + other.readings,
            self.cautions + other.cautions,
            {r: self.reasons.get(r, 0) + other.reasons.get(r, 0) for r in {**self.reasons, **other.reasons}},
            {
                q: tuple(a + b for a, b in zip(self.bins.get(q, none), other.bins.get(q, none), strict=True))
                for q in {**self.bins, **other.bins}
            },
        )


NOTHING = Counts(0, 0, {}, {})


def counts_of(reading: Reading) -> Counts:
    """One reading as counts."""
    reason = reading.verdict.reason
    bins = {name: tuple(int(k == bin_of(p)) for k in range(BINS)) for name, p in p_values_of(reading).items()}
    return Counts(1, int(reading.caution), {reason: 1} if reason else {}, bins)


@dataclass(frozen=True)
class Noted:
    """What is kept of one reading: the hash of the gate that judged it (of its bundle, or of the site profile where
    `commissioned`), its counts, its p-values by question, and on how many pictures each question was calibrated."""

    gate: str
    commissioned: bool
    counts: Counts
    p_values: Mapping[str, float]
    sizes: Mapping[str, int]


def noted(bundle: Bundle, reading: Reading, standing: Standing = NOT_COMMISSIONED) -> Noted:
    """What is kept of a reading with a bundle that stands so at this clinic."""
    sizes = calibration_sizes(bundle, standing.in_force)
    return Noted(
        gate_of(bundle, standing), standing.in_force is not None, counts_of(reading), p_values_of(reading), sizes
    )


def gate_of(bundle: Bundle, standing: Standing) -> str:
    """The hash under which counts and watch are kept: pictures of a clinic are watched against its own, once its gate is
    fitted to them."""
    return standing.watch_key or bundle.sha256


def _counts_from(text: str) -> Counts:
    """The counts of a row; none where its text can't be used."""
    try:
        return decode(text, type=Counts)
    except UNUSABLE:
        return NOTHING


class DriftLog:
    """The watches and counts of a box's gates in its store. Threads may share it.

    A store that fails makes no reading fail, nor wait for long: `problem` says what is wrong until it works again.
    """

    def __init__(self, store: Path) -> None:
        self._store = Store(beside(store, "drift"), STEPS, PATIENCE_S, inherits=store)

    @property
    def problem(self) -> StoreUnusable | None:
        return self._store.problem

    @property
    def problems(self) -> list[LoupeError]:
        """What is wrong with the store, or was until it was mended."""
        return [*([self.problem] if self.problem else []), *self._store.mended()]

    def note(self, seen: Noted, now: datetime) -> Alarm | None:
        """Count a reading and go on with its gate's watch, in one transaction. The alarm of that, if there is one."""
        key, day = seen.gate, now.date().isoformat()
        p_values = {name: p for name, p in seen.p_values.items() if name in seen.sizes}

        def change(store: sqlite3.Connection) -> Alarm | None:
            row = store.execute("SELECT counts FROM drift_day WHERE bundle = ? AND day = ?", (key, day)).fetchone()
            counts = (_counts_from(row[0]) if row else NOTHING) + seen.counts
            watch = _watch(store, key, day)
            if p_values:
                watch = watch.with_picture(p_values, seen.sizes, now, random.random)
            store.execute("REPLACE INTO drift_day VALUES (?, ?, ?)", (key, day, encode(counts).decode()))
            store.execute("REPLACE INTO drift_watch VALUES (?, ?)", (key, watch.as_text()))
            if not row:  # the first reading of a day
                _forget(store, now)
            return watch.alarm

        with suppress(StoreUnusable):  # `problem` tells
            return self._store.write(change)
        return None

    def reset(self, bundle: Bundle, now: datetime, standing: Standing = NOT_COMMISSIONED) -> None:
        """Begin the watch of a bundle that stands so anew, after a change that is known. The counts of days stay."""
        fresh = Watch(now.date().isoformat(), {}).as_text()
        row = (gate_of(bundle, standing), fresh)
        with suppress(StoreUnusable):
            self._store.write(lambda store: store.execute("REPLACE INTO drift_watch VALUES (?, ?)", row))

    def watch(self, bundle: Bundle, now: datetime, standing: Standing = NOT_COMMISSIONED) -> Watch:
        """The watch of a bundle that stands so; a fresh one where nothing was noted yet or the store fails."""
        day = now.date().isoformat()
        with suppress(StoreUnusable):
            return self._store.read(lambda store: _watch(store, gate_of(bundle, standing), day))
        return Watch(day, {})

    def days(
        self, bundle: Bundle, most: int, now: datetime, standing: Standing = NOT_COMMISSIONED
    ) -> dict[str, Counts]:
        """The counts of the last `most` days with readings by a bundle that stands so, the newest first; none where the
        store fails. Days after today, of a clock that was ahead, are left out."""
        rows: list[tuple[str, str]] = []
        query = "SELECT day, counts FROM drift_day WHERE bundle = ? AND day <= ? ORDER BY day DESC LIMIT ?"
        asked = (gate_of(bundle, standing), now.date().isoformat(), most)
        with suppress(StoreUnusable):
            rows = self._store.read(lambda store: store.execute(query, asked).fetchall())
        return {day: _counts_from(text) for day, text in rows}


def _forget(store: sqlite3.Connection, now: datetime) -> None:
    """Delete days beyond the last `DAYS_KEPT`, and those after tomorrow, of a clock that was ahead; never today."""
    today, tomorrow = now.date().isoformat(), (now.date() + timedelta(days=1)).isoformat()
    store.execute("DELETE FROM drift_day WHERE day > ?", (tomorrow,))
    store.execute(
        "DELETE FROM drift_day WHERE day <> ? AND day NOT IN "
        "(SELECT DISTINCT day FROM drift_day ORDER BY day DESC LIMIT ?)",
        (today, DAYS_KEPT),
    )


def _watch(store: sqlite3.Connection, key: str, day: str) -> Watch:
    """The bundle's watch, begun anew where its text can't be used. It began today at the latest."""
    row = store.execute("SELECT state FROM drift_watch WHERE bundle = ?", (key,)).fetchone()
    try:
        watch = Watch.from_text(row[0]) if row else Watch(day, {})
    except UNUSABLE:  # written by another version of this program, or damaged
        return Watch(day, {})
    return replace(watch, since=min(watch.since, day))
