"""How the box is: its models, what their gates said lately, whether the clinic's pictures have changed, its store.

`health` gathers it as JSON-able values (`docs/engineers/api.md`); the page `/health` (`templates/health.html`) shows the
same. All is made of counts (`device/storage/drift.py`); nothing in it is about a single picture.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from math import sqrt
from typing import Any

from device import __version__
from device.base.errors import LoupeError, StoreUnusable
from device.base.texts import error_words, words
from device.documents.model import identity
from device.documents.verdict import for_modality, reason_words
from device.reading.bundle import Bundle
from device.reading.drift_test import ALARM, BINS, CALM, Watch, calibration_sizes, gaps
from device.reading.gate import CAUTION_BELOW_P, REASONS
from device.reading.runtime import find_runtime
from device.storage.drift import NOTHING, Counts, DriftLog

DAYS_SHOWN = 30
ENOUGH_SITTINGS = 20  # fewer can't reach `ALARM` whatever they show
ENOUGH_PICTURES = 20  # fewer give no share worth comparing: at 20, one refused is 5 %
NORMAL_95 = 1.96
STARTED = time.monotonic()


def wilson(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); all of 0…1 where there is nothing."""
    if n == 0:
        return 0.0, 1.0
    share, square = count / n, NORMAL_95**2 / n
    middle, half = share + square / 2, NORMAL_95 * sqrt(share * (1 - share) / n + square / (4 * n))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def promise(bundle: Bundle) -> float:
    """The greatest share of proper pictures that the bundle's gate says it refuses."""
    return float(bundle.manifest["gate"]["promise"]["alpha"])


def state_of(watch: Watch) -> str:
    """`changed`, `watching` (more evidence than is often seen by chance), `few` (too little to tell), or `steady`."""
    if watch.alarm:
        return "changed"
    if watch.sittings < ENOUGH_SITTINGS:
        return "few"
    return "watching" if watch.evidence >= CALM else "steady"


def histogram(counts: Sequence[int], n: int) -> dict[str, Any]:
    """p-values in bins beside what pictures like the n calibration pictures would give: `low` … `high` holds 95 bars in
    100. Pictures of one patient, which are alike, spread a little more."""
    total = sum(counts)
    expected = [total * g / (n + 1) for g in gaps(n)]
    # Of a Pólya urn: the chance of both the pictures and the calibration pictures.
    spread = [NORMAL_95 * sqrt(e * (1 - e / total) * (n + 1 + total) / (n + 2)) if total else 0.0 for e in expected]
    return {
        "counts": list(counts),
        "expected": expected,
        "low": [max(0.0, e - s) for e, s in zip(expected, spread, strict=True)],
        "high": [e + s for e, s in zip(expected, spread, strict=True)],
    }


def _title(code: str, bundle: Bundle, language: str) -> str:
    """A reason's title; its code, where a version that knew another reason counted it."""
    if code not in REASONS:
        return code
    return reason_words(code, None, bundle.manifest["modality"], language)["title"]


def _model(bundle: Bundle, drift: DriftLog, now: datetime, language: str) -> dict[str, Any]:
    told = words(language)["health"]
    watch, days = drift.watch(bundle, now), drift.days(bundle, DAYS_SHOWN, now)
    lately: Counts = sum(days.values(), NOTHING)
    since: Counts = sum((counts for day, counts in days.items() if day >= watch.since), NOTHING)
    low, high = wilson(lately.refused, lately.readings)
    promised = promise(bundle)
    state = state_of(watch)
    asked = words(language)["questions"]
    advice = f"{watch.alarm.question if watch.alarm.stranger else 'alike'}_next_step" if watch.alarm else None
    return {
        **identity(bundle, language),
        "golden": len(bundle.manifest["golden"]),
        "promise": promised,
        "lately": {
            "days": len(days),
            "first": min(days, default=None),
            "readings": lately.readings,
            "refused": lately.refused,
            "refused_share": lately.refused / lately.readings if lately.readings else None,
            "refused_interval": [low, high] if lately.readings else None,
            "enough": lately.readings >= ENOUGH_PICTURES,
            "more_than_promised": lately.readings >= ENOUGH_PICTURES and low > promised,
            "cautions": lately.cautions,
            "reasons": [
                {"code": code, "title": _title(code, bundle, language), "count": count}
                for code, count in sorted(lately.reasons.items(), key=lambda each: -each[1])
            ],
        },
        "p_values": [
            {"question": name, "title": asked[name], **histogram(since.bins.get(name, (0,) * BINS), n)}
            for name, n in calibration_sizes(bundle).items()
        ],
        "watch": {
            "state": state,
            "title": told[f"watch_{state}_title"],
            "detail": told[f"watch_{state}_detail"],
            "next_step": for_modality(told[advice], bundle.manifest["modality"]) if advice else None,
            "since": watch.since,
            "pictures": watch.pictures,
            "sittings": watch.sittings,
            "evidence": watch.evidence,
            "alarm_at": ALARM,
            "alarm": asdict(watch.alarm) if watch.alarm else None,
        },
    }


def problem_json(problem: LoupeError, language: str) -> dict[str, str]:
    """Code and words of what is wrong."""
    return {"code": problem.code, **error_words(problem, language)}


def health(
    bundles: Sequence[Bundle],
    drift: DriftLog,
    threads: int,
    problems: Sequence[LoupeError],
    now: datetime,
    language: str,
) -> dict[str, Any]:
    """All of it, with words in a language. `problems`: what is wrong with readers, store and files."""
    models = [_model(bundle, drift, now, language) for bundle in bundles]
    runtime = find_runtime()
    problem = next((each for each in problems if isinstance(each, StoreUnusable)), None)
    return {
        "notice": words(language)["notice"],
        "software": __version__,
        "runtime": {"name": runtime.name, "version": runtime.version, "exact": runtime.exact},
        "threads": threads,
        "uptime_s": round(time.monotonic() - STARTED),
        "caution_below_p": CAUTION_BELOW_P,
        "enough_pictures": ENOUGH_PICTURES,
        "store": {"works": problem is None, "problem": problem_json(problem, language) if problem else None},
        "problems": [problem_json(each, language) for each in problems],
        "models": models,
    }
