"""How the box is: its models, what their gates said lately, whether the clinic's pictures have changed, its store.

`health_document` gathers it for `GET /api/v1/health` and for the page `/health` (`templates/health.html`). All is made of
counts (`device/storage/drift.py`); nothing in it is about a single picture.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import sqrt
from types import MappingProxyType
from typing import Annotated

from device import __version__
from device.base.errors import LoupeError, StoreUnusable
from device.base.texts import words
from device.documents.model import ModelIdentity, RuntimeIdentity, identity, identity_facts, runtime_identity
from device.documents.problem import ProblemWords, problem_words
from device.documents.records import Record, about
from device.documents.site import SiteState, site_state
from device.documents.verdict import for_modality, reason_words
from device.reading.bundle import Bundle
from device.reading.drift_test import ALARM, BINS, CALM, Watch, calibration_sizes, gaps
from device.reading.gate import CAUTION_BELOW_P, REASONS
from device.reading.runtime import find_runtime
from device.reading.site.standing import NOT_COMMISSIONED, Standing
from device.storage.drift import NOTHING, Counts, DriftLog

DAYS_SHOWN = 30
ENOUGH_SITTINGS = 20  # fewer can't reach `ALARM` whatever they show
ENOUGH_PICTURES = 20  # fewer give no share worth comparing: at 20, one refused is 5 %
NORMAL_95 = 1.96
STARTED = time.monotonic()
NOWHERE_COMMISSIONED: Mapping[str, Sequence[Standing]] = MappingProxyType({})


# --- the records -----------------------------------------------------------------------------------------------------


class ReasonCount(Record, frozen=True):
    """A reason for refusals."""

    code: Annotated[str, about("The reason, for programs.")]
    title: Annotated[str, about("The reason in a few words.")]
    count: Annotated[int, about("How many pictures were refused for it.")]


class LatelyCounts(Record, frozen=True):
    """The readings of the last days that had any."""

    days: Annotated[int, about("How many days.")]
    first: Annotated[str | None, about("The first of them, such as 2026-01-05.")]
    readings: Annotated[int, about("Pictures read with the model.")]
    refused: Annotated[int, about("Pictures refused.")]
    refused_share: Annotated[float | None, about("Share refused, 0 to 1; null where nothing was read.")]
    refused_interval: Annotated[list[float] | None, about("95 % interval of that share: low, high.")]
    enough: Annotated[bool, about("Enough pictures to compare the share with the promise.")]
    more_than_promised: Annotated[bool, about("More are refused than the bundle promises.")]
    cautions: Annotated[int, about("Pictures accepted with caution.")]
    reasons: Annotated[list[ReasonCount], about("Reasons for refusals, the commonest first.")]


class Histogram(Record, frozen=True):
    """p-values in equal bins from 0 to 1, beside what pictures like the calibration pictures would give."""

    question: Annotated[str, about("The gate's question, for programs.")]
    title: Annotated[str, about("The question in a few words.")]
    counts: Annotated[list[int], about("Pictures in each bin.")]
    expected: Annotated[list[float], about("How many pictures like the calibration pictures would give.")]
    low: Annotated[
        list[float], about("The least that is usual by chance: 95 bars in 100 lie between `low` and `high`.")
    ]
    high: Annotated[list[float], about("The most that is usual by chance.")]


class WatchAlarm(Record, frozen=True):
    """A change that the drift watch found."""

    found: Annotated[str, about("The day on which it was found.")]
    began: Annotated[str, about("Since about which day it went on.")]
    question: Annotated[str, about("In which of the gate's questions.")]
    stranger: Annotated[bool, about("Pictures became stranger; else they became more alike.")]


class WatchState(Record, frozen=True):
    """Whether the clinic's pictures have changed."""

    state: Annotated[str, about("`steady`, `few` (too little to tell), `watching` or `changed`.")]
    title: Annotated[str, about("The state in a few words.")]
    detail: Annotated[str, about("What it means.")]
    next_step: Annotated[str | None, about("What to do; null without an alarm.")]
    since: Annotated[str, about("The day on which the watch began.")]
    pictures: Annotated[int, about("Pictures that it has seen.")]
    sittings: Annotated[int, about("Sittings that it has seen: pictures that came together.")]
    evidence: Annotated[float, about("Evidence of a change: without one its mean is the number of sittings.")]
    alarm_at: Annotated[float, about("At how much evidence there is an alarm.")]
    alarm: Annotated[WatchAlarm | None, about("The change that was found; null where there is none.")]


class ModelHealth(ModelIdentity, frozen=True):
    """A model, and how its gate has judged the clinic's pictures: by its site profile, where it has one that is in use."""

    golden: Annotated[int, about("Golden pictures in the bundle.")]
    promise: Annotated[
        float, about("The largest share of proper pictures that the gate refuses, as its bundle states.")
    ]
    sites: Annotated[
        list[SiteState],
        about("How the model stands at this clinic: with each instrument that it was commissioned for."),
    ]
    lately: Annotated[LatelyCounts, about("The last days with readings.")]
    p_values: Annotated[list[Histogram], about("p-values of each question since the watch began.")]
    watch: Annotated[WatchState, about("Whether the clinic's pictures have changed.")]


class StoreHealth(Record, frozen=True):
    """Whether the box can keep what outlives a restart."""

    works: Annotated[bool, about("It can be read and written.")]
    problem: Annotated[ProblemWords | None, about("Why not.")]


class HealthDocument(Record, frozen=True):
    """How the box is."""

    notice: Annotated[str, about("What the box may be used for.")]
    software: Annotated[str, about("Version of Loupe.")]
    runtime: Annotated[RuntimeIdentity, about("What runs the networks.")]
    threads: Annotated[int, about("Pictures read at the same time.")]
    uptime_s: Annotated[int, about("For how long the service has run, s.")]
    caution_below_p: Annotated[float, about("A picture with a smaller p-value is read with caution.")]
    enough_pictures: Annotated[int, about("Fewer give no share worth comparing.")]
    store: Annotated[StoreHealth, about("Whether the box can keep what outlives a restart.")]
    problems: Annotated[list[ProblemWords], about("Why readings fail, and what is wrong beside the models.")]
    models: Annotated[list[ModelHealth], about("Each model, in the order of the box.")]


class ReadyDocument(Record, frozen=True):
    """Readings work."""

    ready: Annotated[bool, about("True: otherwise the answer is a problem.")]
    models: Annotated[list[ModelIdentity], about("Each model, in the order of the box.")]
    problems: Annotated[list[ProblemWords], about("What is wrong beside the models and stops no reading.")]


# --- how they are made -----------------------------------------------------------------------------------------------


def wilson(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); all of 0…1 where there is nothing."""
    if n == 0:
        return 0.0, 1.0
    share, square = count / n, NORMAL_95**2 / n
    middle, half = share + square / 2, NORMAL_95 * sqrt(share * (1 - share) / n + square / (4 * n))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def promised_share(bundle: Bundle, standing: Standing = NOT_COMMISSIONED) -> float:
    """The greatest share of proper pictures that the gate of a bundle that stands so says it refuses."""
    profile = standing.in_force
    return bundle.manifest.gate.promise.alpha if profile is None else profile.fit.promise.alpha


def watched(standings: Sequence[Standing]) -> Standing:
    """Of the standings of a model the one whose watch is shown: the newest that is in force, else as it came."""
    return next((each for each in standings if each.in_force is not None), NOT_COMMISSIONED)


def state_of(watch: Watch) -> str:
    """`changed`, `watching` (more evidence than is often seen by chance), `few` (too little to tell), or `steady`."""
    if watch.alarm:
        return "changed"
    if watch.sittings < ENOUGH_SITTINGS:
        return "few"
    return "watching" if watch.evidence >= CALM else "steady"


def histogram(question: str, title: str, counts: Sequence[int], n: int) -> Histogram:
    """p-values of a question in bins beside what pictures like the n calibration pictures would give. Pictures of one
    patient, which are alike, spread a little more."""
    total = sum(counts)
    expected = [total * g / (n + 1) for g in gaps(n)]
    # Of a Pólya urn: the chance of both the pictures and the calibration pictures.
    spread = [NORMAL_95 * sqrt(e * (1 - e / total) * (n + 1 + total) / (n + 2)) if total else 0.0 for e in expected]
    return Histogram(
        question=question,
        title=title,
        counts=list(counts),
        expected=expected,
        low=[max(0.0, e - s) for e, s in zip(expected, spread, strict=True)],
        high=[e + s for e, s in zip(expected, spread, strict=True)],
    )


def _title(code: str, bundle: Bundle, language: str) -> str:
    """A reason's title; its code, where a version that knew another reason counted it."""
    if code not in REASONS:
        return code
    return reason_words(code, None, bundle.manifest.modality, language)["title"]


def _lately(bundle: Bundle, standing: Standing, days: dict[str, Counts], language: str) -> LatelyCounts:
    counts: Counts = sum(days.values(), NOTHING)
    low, high = wilson(counts.refused, counts.readings)
    enough = counts.readings >= ENOUGH_PICTURES
    return LatelyCounts(
        days=len(days),
        first=min(days, default=None),
        readings=counts.readings,
        refused=counts.refused,
        refused_share=counts.refused / counts.readings if counts.readings else None,
        refused_interval=[low, high] if counts.readings else None,
        enough=enough,
        more_than_promised=enough and low > promised_share(bundle, standing),
        cautions=counts.cautions,
        reasons=[
            ReasonCount(code=code, title=_title(code, bundle, language), count=count)
            for code, count in sorted(counts.reasons.items(), key=lambda each: -each[1])
        ],
    )


def _watch_state(watch: Watch, modality: str, language: str) -> WatchState:
    texts, state, alarm = words(language)["health"], state_of(watch), watch.alarm
    advice = f"{alarm.question if alarm.stranger else 'alike'}_next_step" if alarm else None
    return WatchState(
        state=state,
        title=texts[f"watch_{state}_title"],
        detail=texts[f"watch_{state}_detail"],
        next_step=for_modality(texts[advice], modality) if advice else None,
        since=watch.since,
        pictures=watch.pictures,
        sittings=watch.sittings,
        evidence=watch.evidence,
        alarm_at=ALARM,
        alarm=WatchAlarm(found=alarm.found, began=alarm.began, question=alarm.question, stranger=alarm.stranger)
        if alarm
        else None,
    )


def _model(bundle: Bundle, standings: Sequence[Standing], drift: DriftLog, now: datetime, language: str) -> ModelHealth:
    standing = watched(standings)
    watch, days = drift.watch(bundle, now, standing), drift.days(bundle, DAYS_SHOWN, now, standing)
    since_reset: Counts = sum((counts for day, counts in days.items() if day >= watch.since), NOTHING)
    titles = words(language)["questions"]
    return ModelHealth(
        **identity_facts(bundle, language),
        golden=len(bundle.manifest.golden),
        promise=promised_share(bundle, standing),
        sites=[site_state(each, language) for each in standings or [NOT_COMMISSIONED]],
        lately=_lately(bundle, standing, days, language),
        p_values=[
            histogram(name, titles[name], since_reset.bins.get(name, (0,) * BINS), n)
            for name, n in calibration_sizes(bundle, standing.in_force).items()
        ],
        watch=_watch_state(watch, bundle.manifest.modality, language),
    )


def health_document(
    bundles: Sequence[Bundle],
    drift: DriftLog,
    threads: int,
    problems: Sequence[LoupeError],
    now: datetime,
    language: str,
    standings: Mapping[str, Sequence[Standing]] = NOWHERE_COMMISSIONED,
) -> HealthDocument:
    """How the box is, with words in a language. `problems`: what is wrong with readers, store and files. `standings`: how
    each model stands with each instrument that it was commissioned for, by model, the newest first."""
    unusable = next((each for each in problems if isinstance(each, StoreUnusable)), None)
    return HealthDocument(
        notice=words(language)["notice"],
        software=__version__,
        runtime=runtime_identity(find_runtime()),
        threads=threads,
        uptime_s=round(time.monotonic() - STARTED),
        caution_below_p=CAUTION_BELOW_P,
        enough_pictures=ENOUGH_PICTURES,
        store=StoreHealth(works=unusable is None, problem=problem_words(unusable, language) if unusable else None),
        problems=[problem_words(each, language) for each in problems],
        models=[_model(bundle, standings.get(bundle.manifest.id, ()), drift, now, language) for bundle in bundles],
    )


def ready_document(bundles: Sequence[Bundle], problems: Sequence[LoupeError], language: str) -> ReadyDocument:
    """That readings work. `problems`: what is wrong beside the models."""
    return ReadyDocument(
        ready=True,
        models=[identity(bundle, language) for bundle in bundles],
        problems=[problem_words(each, language) for each in problems],
    )
