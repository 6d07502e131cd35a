"""The drift watch: have the pictures that this clinic sends changed from those that a bundle's gate was calibrated on?

Kept of a reading, in a file of the box's store: one more in the counts of its day (readings, cautions, refusals by
reason, and a histogram of each question's p-value in `BINS` bins), and the state of a test. No picture, no feature, no
score; of times only days and that of the last picture. (On a day with few readings counts
tell what single ones were, and who sees the store's file change sees when.) A picture can't be made again from twenty
counts.

Under no change a new picture is as likely to fall into any of the n + 1 gaps between the n calibration scores, and each
picture makes its own gap likelier for the next: with g_j gaps and c_j earlier pictures in bin j of the p-value, the next
one falls into bin j with probability (g_j + c_j) / (n + 1 + c), whatever the scores' distribution is (Pólya's urn). Its
place in that distribution, u, drawn at random within its bin, is exactly uniform and independent of all before it: the
smoothed p-value of an online conformal test, from counts alone (Vovk, Gammerman, Shafer 2022, "Algorithmic Learning in a
Random World", ch. 8). Gamblers of several `STAKES` bet on u being small (stranger pictures) or large with the fair odds
1 + stake · (u − ½), moving a hundredth of their capital to each other at every bet (the "simple jumper" of Vovk et al.
2021, "Retrain or not retrain"), and each bet adds one new unit of capital (Shiryaev–Roberts). Under no change the
capital's mean after t bets is t; so the chance of a false alarm, capital `ALARM`, within t bets is at most t / `ALARM`.
The capitals of the three questions are averaged: one promise a bundle.

Pictures of one patient are alike and come together. All that follow within `SITTING_GAP_S`, up to `SITTING_MOST`, are one
sitting and one bet, on the mean of their u, and weigh one in the urn. Sections are counted but not bet on: their p-values
are medians over windows.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from device.base.errors import LoupeError, StoreUnusable
from device.reading.bundle import Bundle
from device.reading.reading import Reading
from device.storage.store import Store, beside

BINS = 20
STAKES = (-1.6, -0.6, 0.0, 0.6, 1.6)
MOVED = 0.01  # share of each gambler's capital that is shared out among all before a bet
ALARM = 100_000.0
CALM = 1_000.0  # capital that is often seen without any change
SITTING_GAP_S = 120.0
SITTING_MOST = 10
DAYS_KEPT = 400
PATIENCE_S = 0.2  # a reading waits no longer for a store that something else has locked
MOST = 2.0**53  # no count and no capital comes near; larger ones are damage

TABLES = """
CREATE TABLE IF NOT EXISTS drift_day (bundle TEXT, day TEXT, counts TEXT NOT NULL, PRIMARY KEY (bundle, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drift_watch (bundle TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
"""


# What the text of a row that another version or a fault wrote may raise.
UNUSABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def _numbers(kept: Iterable[Any], many: int, kind: type = float) -> tuple[Any, ...]:
    """So many finite numbers, none below 0, all whole where `kind` is int. Raises `ValueError` or `TypeError`."""
    numbers = tuple(kept)
    if len(numbers) != many or not all(type(n) in (int, kind) and 0 <= n < MOST for n in numbers):
        raise ValueError(f"not {many} numbers")
    return numbers


def bin_of(p_value: float) -> int:
    """Which of `BINS` equal bins a p-value in (0, 1] falls into; a bin has its upper end."""
    return min(BINS - 1, max(0, ceil(p_value * BINS - 1e-9) - 1))


@cache
def gaps(n: int) -> tuple[int, ...]:
    """How many of the n + 1 p-values that n calibration scores allow, k / (n + 1), fall into each bin."""
    bins = [bin_of(k / (n + 1)) for k in range(1, n + 2)]
    return tuple(bins.count(k) for k in range(BINS))


@dataclass(frozen=True)
class Question:
    """The test of one question: `urn`, weight of the closed sittings in each bin; `capital` of each stake; of the sitting
    that is open, the pictures in each bin and the sum of their u."""

    urn: tuple[float, ...] = (0.0,) * BINS
    capital: tuple[float, ...] = (0.0,) * len(STAKES)
    open_bins: tuple[int, ...] = (0,) * BINS
    open_u: float = 0.0

    def with_picture(self, p_value: float, n: int, draw: float) -> Question:
        """One more picture of the open sitting. `draw`: uniform in [0, 1)."""
        weights = [g + c for g, c in zip(gaps(n), self.urn, strict=True)]
        bin = bin_of(p_value)
        u = (sum(weights[:bin]) + draw * weights[bin]) / sum(weights)
        open_bins = (*self.open_bins[:bin], self.open_bins[bin] + 1, *self.open_bins[bin + 1 :])
        return replace(self, open_bins=open_bins, open_u=self.open_u + u)

    def closed(self) -> Question:
        """The open sitting's bet is settled."""
        pictures = sum(self.open_bins)
        if not pictures:
            return self
        shared = (sum(self.capital) + 1.0) / len(STAKES)
        away = self.open_u / pictures - 0.5
        capital = tuple(
            ((1 - MOVED) * (own + 1.0 / len(STAKES)) + MOVED * shared) * (1 + stake * away)
            for own, stake in zip(self.capital, STAKES, strict=True)
        )
        urn = tuple(c + count / pictures for c, count in zip(self.urn, self.open_bins, strict=True))
        return Question(urn, capital)

    @classmethod
    def from_state(cls, kept: Mapping[str, Any]) -> Question:
        """Raises one of `UNUSABLE`."""
        return cls(
            _numbers(kept["urn"], BINS),
            _numbers(kept["capital"], len(STAKES)),
            _numbers(kept["open_bins"], BINS, int),
            *_numbers([kept["open_u"]], 1),
        )

    @property
    def stranger(self) -> bool:
        """Whether most capital was won by bets on stranger pictures."""
        return STAKES[max(range(len(STAKES)), key=self.capital.__getitem__)] < 0


@dataclass(frozen=True)
class Alarm:
    """When the watch found a change (day), since about when it went on, in which question, and whether pictures became
    stranger (else: more alike)."""

    found: str
    began: str
    question: str
    stranger: bool


@dataclass(frozen=True)
class Watch:
    """The test of one bundle since it began or was reset. Days are ISO dates, `last` an ISO time."""

    since: str
    questions: Mapping[str, Question]
    pictures: int = 0
    sittings: int = 0
    last: str | None = None
    calm: str | None = None
    alarm: Alarm | None = None

    @property
    def evidence(self) -> float:
        """Capital, mean over questions: without a change its mean is the number of sittings."""
        return sum(sum(q.capital) for q in self.questions.values()) / max(1, len(self.questions))

    def with_picture(
        self, p_values: Mapping[str, float], sizes: Mapping[str, int], now: datetime, draw: Callable[[], float]
    ) -> Watch:
        """The watch after a picture with these p-values of questions that were calibrated on `sizes` pictures."""
        watch = self._closed(now) if self._over(now) else self
        questions = {
            name: watch.questions.get(name, Question()).with_picture(p_value, sizes[name], draw())
            for name, p_value in p_values.items()
        }
        asked = {**watch.questions, **questions}
        return replace(watch, questions=asked, pictures=watch.pictures + 1, last=now.isoformat(timespec="seconds"))

    def _over(self, now: datetime) -> bool:
        if self.last is None:
            return False
        quiet_s = (now - datetime.fromisoformat(self.last)).total_seconds()
        full = any(sum(question.open_bins) >= SITTING_MOST for question in self.questions.values())
        return full or not 0 <= quiet_s <= SITTING_GAP_S  # a box without internet may set its clock back

    def _closed(self, now: datetime) -> Watch:
        day = now.date().isoformat()
        questions = {name: question.closed() for name, question in self.questions.items()}
        watch = replace(self, questions=questions, sittings=self.sittings + 1)
        if self.alarm:  # it stays until somebody resets it; nothing more is bet
            kept = {name: replace(q, capital=self.questions[name].capital) for name, q in questions.items()}
            return replace(watch, questions=kept)
        if watch.evidence < CALM:
            return replace(watch, calm=day)
        if watch.evidence < ALARM:
            return watch
        name, question = max(questions.items(), key=lambda each: sum(each[1].capital))
        return replace(watch, alarm=Alarm(day, watch.calm or watch.since, name, question.stranger))

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Watch:
        """Raises one of `UNUSABLE` for a text that isn't a watch's."""
        state = json.loads(text)
        alarm = Alarm(**state.pop("alarm")) if state["alarm"] else state.pop("alarm")
        questions = {name: Question.from_state(q) for name, q in state.pop("questions").items()}
        watch = cls(**state, questions=questions, alarm=alarm)
        _numbers([watch.pictures, watch.sittings], 2, int)
        for day in (watch.since, watch.calm or watch.since):
            date.fromisoformat(day)
        if watch.last is not None and datetime.fromisoformat(watch.last).tzinfo is not None:
            raise ValueError("not a local time")
        if alarm and alarm.question not in questions:
            raise ValueError("an alarm of no question")
        return watch


@dataclass(frozen=True)
class Counts:
    """Of one day or of several: `bins` has each question's histogram of p-values."""

    readings: int
    cautions: int
    reasons: Mapping[str, int]
    bins: Mapping[str, tuple[int, ...]]

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


def p_values_of(reading: Reading) -> dict[str, float]:
    """The p-values of a field by question; none of a section."""
    if reading.section is not None:
        return {}
    return {a.question: a.p_value for a in reading.verdict.answers if a.p_value is not None}


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
    """Counts as they were kept; none where the text can't be used."""
    try:
        told = json.loads(text)
        readings, cautions = _numbers([told["readings"], told["cautions"]], 2, int)
        reasons = dict(zip(told["reasons"], _numbers(told["reasons"].values(), len(told["reasons"]), int), strict=True))
        bins = {question: _numbers(counts, BINS, int) for question, counts in told["bins"].items()}
    except UNUSABLE:
        return NOTHING
    return Counts(readings, cautions, reasons, bins)


def calibration_sizes(bundle: Bundle) -> dict[str, int]:
    """How many scores each question with p-values was calibrated on."""
    gate: Mapping[str, Any] = bundle.manifest["gate"]
    return {name: len(rule["calibration_scores"]) for name, rule in gate.items() if "calibration_scores" in rule}


class DriftLog:
    """The watches and counts of a box's bundles in its store. Threads may share it.

    A store that fails makes no reading fail, nor wait for long: `problem` says what is wrong until it works again.
    """

    def __init__(self, store: Path, bundles: Sequence[Bundle]) -> None:
        self._store = Store(beside(store, "drift"), TABLES, PATIENCE_S, inherits=store)
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
            found = store.execute("SELECT counts FROM drift_day WHERE bundle = ? AND day = ?", (key, day)).fetchone()
            counts = (_counts_from(found[0]) if found else NOTHING) + seen.counts
            watch = _watch(store, key, day)
            if p_values:
                watch = watch.with_picture(p_values, sizes, now, random.random)
            store.execute("REPLACE INTO drift_day VALUES (?, ?, ?)", (key, day, json.dumps(asdict(counts))))
            store.execute("REPLACE INTO drift_watch VALUES (?, ?)", (key, watch.as_text()))
            if not found:
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
    """The watch as it was kept, begun anew where its text can't be used. It began today at the latest."""
    found = store.execute("SELECT state FROM drift_watch WHERE bundle = ?", (key,)).fetchone()
    try:
        watch = Watch.from_text(found[0]) if found else Watch(day, {})
    except UNUSABLE:  # written by another version of this program, or damaged
        return Watch(day, {})
    return replace(watch, since=min(watch.since, day))
