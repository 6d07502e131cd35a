"""The drift watch: quiet without a change, loud with one, and nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from device.reading.bundle import Bundle
from device.reading.drift_test import ALARM, BINS, SITTING_MOST, UNASKED, Watch, bin_of, calibration_sizes, gaps
from device.reading.gate import MADE, PICTURE, SCALE, SHOWS, Answer, Verdict, conformal_p
from device.reading.reading import Reading
from device.storage.drift import Counts, DriftLog, noted
from tests.support.shipped import BUNDLE, KEYS, ROOT

START = datetime(2026, 1, 5, 9, 0)
LATER = START + timedelta(days=30)
N = 320


def p_values(
    rng: np.random.Generator, sittings: int, each: int = 1, spread: float = 0.0, shift: float = 0.0, first: int = 0
) -> list[list[float]]:
    """p-values of sittings of `each` pictures against N calibration scores. Scores are normal; those of a sitting share
    a part of their spread; from the sitting `first` on, `shift` moves them towards strangeness, in standard deviations."""
    calibration = np.sort(rng.normal(size=N))
    shared = rng.normal(size=(sittings, 1)) * spread
    moved = shift * (np.arange(sittings)[:, None] >= first)
    scores = moved + shared + rng.normal(size=(sittings, each)) * np.sqrt(1 - spread**2)
    return [[conformal_p(score, calibration) for score in sitting] for sitting in scores]


def after(sittings: list[list[float]], watch: Watch) -> tuple[Watch, int | None]:
    """The watch after these sittings, ten minutes apart, and at which one it found a change."""
    found = None
    for k, sitting in enumerate(sittings):
        now = START + timedelta(minutes=10 * k)
        for p_value in sitting:
            watch = watch.with_picture({MADE: p_value}, {MADE: N}, now, random.random)
        if watch.alarm and found is None:
            found = k
    return watch, found


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(1)


def test_gaps_are_those_of_every_p_value_that_is_possible() -> None:
    for n in (19, 320, 1995):
        assert sum(gaps(n)) == n + 1
        assert gaps(n)[0] == sum(bin_of(k / (n + 1)) == 0 for k in range(1, n + 2))
    assert gaps(19) == (1,) * BINS
    assert [bin_of(p) for p in (1e-9, 0.05, 0.0501, 1.0)] == [0, 0, 1, BINS - 1]


def test_without_a_change_capital_is_on_average_what_was_put_in() -> None:
    """The promise of the alarm rests on it: P(capital reaches `ALARM` within t sittings) ≤ t / `ALARM`. Short runs, since
    capital's rare great wins make the mean of long ones hard to see."""
    rng, sittings = np.random.default_rng(2), 10
    ends = [after(p_values(rng, sittings + 1), Watch("2026-01-05", {}))[0].evidence for _ in range(1500)]
    error = np.std(ends) / np.sqrt(len(ends))
    assert abs(np.mean(ends) - sittings) < 4 * error


@pytest.mark.parametrize(("each", "spread"), [(1, 0.0), (5, 0.8)], ids=["single pictures", "patients of five, alike"])
def test_without_a_change_there_is_hardly_an_alarm(each: int, spread: float) -> None:
    rng = np.random.default_rng(3)
    runs = [after(p_values(rng, 400, each, spread), Watch("2026-01-05", {}))[1] for _ in range(40)]
    assert sum(found is not None for found in runs) <= 1  # the promise: 40 × 400 / 100,000 = 0.16 expected at most


@pytest.mark.parametrize(("shift", "within"), [(1.0, 60), (2.0, 35), (6.0, 25)])
def test_a_change_is_found_within_some_sittings(shift: float, within: int) -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        watch, found = after(p_values(rng, 350, shift=shift, first=200), Watch("2026-01-05", {}))
        assert found is not None
        assert 200 <= found <= 200 + within
        assert watch.alarm is not None
        assert (watch.alarm.question, watch.alarm.stranger) == (MADE, True)
        assert watch.alarm.began >= (START + timedelta(minutes=1800)).date().isoformat()


def test_a_clinic_that_differs_from_its_first_picture_on_is_found_too() -> None:
    rng = np.random.default_rng(5)
    assert after(p_values(rng, 100, shift=1.5), Watch("2026-01-05", {}))[1] is not None


def test_the_same_picture_again_and_again_is_a_change_to_more_alike() -> None:
    watch, found = after([[0.9]] * 60, Watch("2026-01-05", {}))
    assert found is not None
    assert watch.alarm is not None
    assert not watch.alarm.stranger


def test_one_wrong_upload_in_twenty_is_no_change() -> None:
    rng = np.random.default_rng(6)
    sittings = p_values(rng, 400)
    for k in range(0, 400, 20):
        sittings[k] = [1 / (N + 1)]
    assert after(sittings, Watch("2026-01-05", {}))[1] is None


def test_a_sitting_is_one_bet_however_many_pictures_it_has() -> None:
    watch = Watch("2026-01-05", {})
    for k in range(SITTING_MOST):
        watch = watch.with_picture({MADE: 0.001}, {MADE: N}, START + timedelta(seconds=60 * k), random.random)
    assert (watch.pictures, watch.sittings) == (SITTING_MOST, 0)
    watch = watch.with_picture({MADE: 0.001}, {MADE: N}, START, random.random)  # full, and the clock was set back
    assert watch.sittings == 1
    assert sum(watch.questions[MADE].urn) == pytest.approx(1)


def test_a_watch_is_the_same_after_a_restart() -> None:
    watch, _ = after([[0.001, 0.3]] * 70, Watch("2026-01-05", {}))
    assert watch.alarm
    assert Watch.from_text(watch.as_text()) == watch


# --- in the store ----------------------------------------------------------------------------------------------------


def reading(p: float, reason: str | None = None, section: object = None) -> Reading:
    answers = (Answer(PICTURE, True, 0.5, 1.0), Answer(MADE, True, 1.0, 2.0, p), Answer(SHOWS, True, 1.0, 2.0, p))
    verdict = Verdict(answers, reason)
    return cast(Reading, SimpleNamespace(verdict=verdict, caution=verdict.caution, section=section))


@pytest.fixture
def log(tmp_path: Path) -> DriftLog:
    return DriftLog(tmp_path / "store.sqlite")


def test_each_reading_is_counted_and_a_section_is_not_bet_on(log: DriftLog, bundle: Bundle) -> None:
    log.note(noted(bundle, reading(0.5)), START)
    log.note(noted(bundle, reading(0.03)), START)
    log.note(noted(bundle, reading(0.001, "unknown_content")), START + timedelta(days=1))
    log.note(noted(bundle, reading(0.5, section=object())), START + timedelta(days=1))
    days = log.days(bundle, 10, LATER)
    assert list(days) == ["2026-01-06", "2026-01-05"]
    assert days["2026-01-05"].cautions == 1
    assert days["2026-01-06"].reasons == {"unknown_content": 1}
    total: Counts = days["2026-01-05"] + days["2026-01-06"]
    assert (total.readings, total.refused) == (4, 1)
    assert sum(total.bins[MADE]) == sum(total.bins[SHOWS]) == 3
    assert log.watch(bundle, START).pictures == 3


def test_what_was_noted_survives_a_kill(tmp_path: Path, bundle: Bundle) -> None:
    code = (
        "import os, sys; from pathlib import Path; from datetime import datetime\n"
        "from tests.device.test_drift import *\n"
        "bundle = Bundle.open(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "log = DriftLog(Path(sys.argv[3]))\n"
        "for _ in range(7): log.note(noted(bundle, reading(0.5)), START)\n"
        "os._exit(9)"
    )
    store = tmp_path / "store.sqlite"
    command = [sys.executable, "-c", code, str(BUNDLE), str(KEYS), str(store)]
    assert subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode == 9
    assert DriftLog(store).days(bundle, 1, LATER)["2026-01-05"].readings == 7


def test_days_beyond_the_limit_go(log: DriftLog, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.storage.drift.DAYS_KEPT", 3)
    for k in range(6):
        log.note(noted(bundle, reading(0.5)), START + timedelta(days=k))
    assert list(log.days(bundle, 10, LATER)) == ["2026-01-10", "2026-01-09", "2026-01-08"]


def test_the_store_holds_counts_and_nothing_else(log: DriftLog, bundle: Bundle, tmp_path: Path) -> None:
    for _ in range(50):
        log.note(noted(bundle, reading(0.123456789)), START)
    tables = sqlite3.connect(tmp_path / "store.drift.sqlite").execute("SELECT name FROM sqlite_master").fetchall()
    assert {name for (name,) in tables} == {"drift_day", "drift_watch"}
    ((counts,),) = sqlite3.connect(tmp_path / "store.drift.sqlite").execute("SELECT counts FROM drift_day").fetchall()
    assert json.loads(counts).keys() == {"readings", "cautions", "reasons", "bins"}
    assert "0.12" not in counts


def test_a_reset_begins_anew_and_keeps_the_counts(log: DriftLog, bundle: Bundle) -> None:
    for k in range(80):
        log.note(noted(bundle, reading(0.001)), START + timedelta(hours=k))
    assert log.watch(bundle, START).alarm
    log.reset(bundle, START + timedelta(days=4))
    watch = log.watch(bundle, START + timedelta(days=4))
    assert (watch.alarm, watch.pictures, watch.since) == (None, 0, "2026-01-09")
    assert sum(counts.readings for counts in log.days(bundle, 10, LATER).values()) == 80


def test_a_broken_store_is_a_problem_told_and_no_failure(tmp_path: Path, bundle: Bundle) -> None:
    store = tmp_path / "folder" / "store.sqlite"
    store.parent.write_bytes(b"a file where the folder should be")
    log = DriftLog(store)
    log.note(noted(bundle, reading(0.5)), START)
    assert log.problem is not None
    assert (log.watch(bundle, START).pictures, log.days(bundle, 5, LATER)) == (0, {})
    store.parent.unlink()
    log.note(noted(bundle, reading(0.5)), START)
    assert log.problem is None
    assert log.watch(bundle, START).pictures == 1


def test_a_full_disk_stays_a_problem_until_something_was_written(log: DriftLog, bundle: Bundle, tmp_path: Path) -> None:
    log.note(noted(bundle, reading(0.5)), START)
    with sqlite3.connect(tmp_path / "store.drift.sqlite") as full:
        full.execute("CREATE TRIGGER full BEFORE INSERT ON drift_day BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    log.note(noted(bundle, reading(0.5)), START)
    assert log.watch(bundle, START).pictures == 1
    assert log.days(bundle, 5, LATER)["2026-01-05"].readings == 1
    assert log.problem is not None
    with sqlite3.connect(tmp_path / "store.drift.sqlite") as full:
        full.execute("DROP TRIGGER full")
    log.note(noted(bundle, reading(0.5)), START)
    assert log.problem is None


def test_a_locked_store_holds_up_no_reading_for_long(log: DriftLog, bundle: Bundle, tmp_path: Path) -> None:
    log.note(noted(bundle, reading(0.5)), START)
    other = sqlite3.connect(tmp_path / "store.drift.sqlite")
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    log.note(noted(bundle, reading(0.5)), START)
    assert log.problem is not None
    assert log.watch(bundle, START).pictures == 1  # reading needs no lock
    assert time.monotonic() - begun < 2
    other.close()


def test_what_is_noted_after_the_file_was_deleted_is_in_the_new_one(
    log: DriftLog, bundle: Bundle, tmp_path: Path
) -> None:
    log.note(noted(bundle, reading(0.5)), START)
    (tmp_path / "store.drift.sqlite").unlink()
    log.note(noted(bundle, reading(0.5)), START)
    assert DriftLog(tmp_path / "store.sqlite").watch(bundle, START).pictures == 1


WATCH: dict[str, Any] = json.loads(Watch("2026-01-05", {MADE: UNASKED}).as_text())


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        ("drift_day", text)
        for text in (
            "{}",
            "[]",
            "null",
            "no JSON",
            '{"readings": "1", "cautions": 0, "reasons": {}, "bins": {}}',
            '{"readings": 1, "cautions": 0, "reasons": [], "bins": {}}',
            '{"readings": 1, "cautions": 0, "reasons": {}, "bins": {"made": [1]}}',
            '{"readings": 1' + "0" * 400 + ', "cautions": 0, "reasons": {}, "bins": {}}',
        )
    ]
    + [
        ("drift_watch", text if isinstance(text, str) else json.dumps({**WATCH, **text}))
        for text in list[Any](
            (
                "[]",
                "[" * 100_000,
                {"questions": []},
                {"questions": {MADE: {**WATCH["questions"][MADE], "urn": [0.0] * 19}}},
                {"questions": {MADE: {**WATCH["questions"][MADE], "capital": [float("nan")] * 5}}},
                {"since": 7},
                {"last": "yesterday"},
                {"last": "2026-01-05T09:00:00+00:00"},
                {"pictures": None},
                {"alarm": {"found": "2026-01-05", "began": "2026-01-05", "question": "none", "stranger": True}},
            )
        )
    ],
)
def test_what_was_kept_unusably_is_begun_anew(
    log: DriftLog, bundle: Bundle, tmp_path: Path, table: str, kept: str
) -> None:
    log.note(noted(bundle, reading(0.5)), START)
    column = {"drift_day": "counts", "drift_watch": "state"}[table]
    with sqlite3.connect(tmp_path / "store.drift.sqlite") as store:
        store.execute(f"UPDATE {table} SET {column} = ?", (kept,))
    assert log.days(bundle, 5, LATER)["2026-01-05"].readings == (table == "drift_watch")
    assert log.watch(bundle, START).pictures == (table == "drift_day")
    log.note(noted(bundle, reading(0.5)), START)
    assert log.problem is None
    assert log.days(bundle, 5, LATER)["2026-01-05"].readings == 1 + (table == "drift_watch")
    assert log.watch(bundle, START).pictures == 1 + (table == "drift_day")


def test_a_clock_that_was_ahead_hides_nothing(log: DriftLog, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.storage.drift.DAYS_KEPT", 3)
    for k in range(5):
        log.note(noted(bundle, reading(0.5)), START + timedelta(days=3650 + k))
    log.note(noted(bundle, reading(0.5)), START)
    assert list(log.days(bundle, 10, START)) == ["2026-01-05"]
    assert list(log.days(bundle, 10, START + timedelta(days=4000))) == ["2026-01-05"]
    assert log.watch(bundle, START).since == "2026-01-05"


def test_a_state_of_another_version_is_begun_anew(log: DriftLog, bundle: Bundle, tmp_path: Path) -> None:
    log.note(noted(bundle, reading(0.5)), START)
    with sqlite3.connect(tmp_path / "store.drift.sqlite") as store:
        store.execute("UPDATE drift_watch SET state = '{}'")
    log.note(noted(bundle, reading(0.5)), START)
    assert log.watch(bundle, START).pictures == 1


def test_the_bundles_gate_says_on_how_many_each_question_was_calibrated(bundle: Bundle) -> None:
    sizes: dict[str, Any] = calibration_sizes(bundle)
    assert sizes.keys() == {SCALE, MADE, SHOWS}
    assert all(size >= BINS for size in sizes.values())
    assert ALARM / 1000 == 100  # the words of the health page: 1 in 1,000 for each 100 sittings
