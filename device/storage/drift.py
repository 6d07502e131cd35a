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
from collections.abc import Mapping, Sequence
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
    Count,
    Histogram,
    Watch,
    bin_of,
    calibration_sizes,
    p_values_of,
)
from device.reading.reading import Reading
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
    """What is kept of one reading: by which bundle it is (its hash), its counts, and its p-values by question."""

    bundle_sha256: str
    counts: Counts
    p_values: Mapping[str, float]


def noted(bundle: Bundle, reading: Reading) -> Noted:
    """What is kept of a reading with a bundle."""
    return Noted(bundle.sha256, counts_of(reading), p_values_of(reading))


def _counts_from(text: str) -> Counts:
    """The counts of a row; none where its text can't be used."""
    try:
        return decode(text, type=Counts)
    except UNUSABLE:
        return NOTHING


class DriftLog:
    """The watches and counts of a box's bundles in its store. Threads may share it.

    A store that fails makes no reading fail, nor wait for long: `problem` says what is wrong until it works again.
    """

    def __init__(self, store: Path, bundles: Sequence[Bundle]) -> None:
        self._store = Store(beside(store, "drift"), STEPS, PATIENCE_S, inherits=store)
        self._sizes = {bundle.sha256: calibration_sizes(bundle) for bundle in bundles}

    @property
    def problem(self) -> StoreUnusable | None:
        return self._store.problem

    @property
    def problems(self) -> list[LoupeError]:
        """What is wrong with the store, or was until it was mended."""
        return [*([self.problem] if self.problem else []), *self._store.mended()]

    def note(self, seen: Noted, now: datetime) -> None:
        """Count a reading and go on with its bundle's watch, in one transaction."""
        key, day = seen.bundle_sha256, now.date().isoformat()
        sizes = self._sizes[key]
        p_values = {name: p for name, p in seen.p_values.items() if name in sizes}

        def change(store: sqlite3.Connection) -> None:
            row = store.execute("SELECT counts FROM drift_day WHERE bundle = ? AND day = ?", (key, day)).fetchone()
            counts = (_counts_from(row[0]) if row else NOTHING) + seen.counts
            watch = _watch(store, key, day)
            if p_values:
                watch = watch.with_picture(p_values, sizes, now, random.random)
            store.execute("REPLACE INTO drift_day VALUES (?, ?, ?)", (key, day, encode(counts).decode()))
            store.execute("REPLACE INTO drift_watch VALUES (?, ?)", (key, watch.as_text()))
            if not row:  # the first reading of a day
                _forget(store, now)

        with suppress(StoreUnusable):  # `problem` tells
            self._store.write(change)

    def reset(self, bundle: Bundle, now: datetime) -> None:
        """Begin the bundle's watch anew, after a change that is known. The counts of days stay."""
        fresh = Watch(now.date().isoformat(), {}).as_text()
        row = (bundle.sha256, fresh)
        with suppress(StoreUnusable):
            self._store.write(lambda store: store.execute("REPLACE INTO drift_watch VALUES (?, ?)", row))

    def watch(self, bundle: Bundle, now: datetime) -> Watch:
        """The bundle's watch; a fresh one where nothing was noted yet or the store fails."""
        day = now.date().isoformat()
        with suppress(StoreUnusable):
            return self._store.read(lambda store: _watch(store, bundle.sha256, day))
        return Watch(day, {})

    def days(self, bundle: Bundle, most: int, now: datetime) -> dict[str, Counts]:
        """The counts of the bundle's last `most` days with readings, the newest first; none where the store fails. Days
        after today, of a clock that was ahead, are left out."""
        rows: list[tuple[str, str]] = []
        query = "SELECT day, counts FROM drift_day WHERE bundle = ? AND day <= ? ORDER BY day DESC LIMIT ?"
        asked = (bundle.sha256, now.date().isoformat(), most)
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
