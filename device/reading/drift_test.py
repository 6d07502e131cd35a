"""The drift test: do the pictures that come still look like those that a bundle's gate was calibrated on?

A statistical test on the p-values of the gate's questions, from counts alone. It keeps nothing itself: `Watch` is the
test's state, which `device/storage/drift.py` keeps and the studies of the training package simulate.

Under no change a new picture is as likely to fall into any of the n + 1 gaps between the n calibration scores, and each
picture makes its own gap likelier for the next: with g_j gaps and c_j earlier pictures in bin j of the p-value, the next
one falls into bin j with probability (g_j + c_j) / (n + 1 + c), whatever the scores' distribution is (Pólya's urn). Its
place in that distribution, u, drawn at random within its bin, is exactly uniform and independent of all before it: the
smoothed p-value of an online conformal test, from counts alone (Vovk, Gammerman, Shafer 2022, "Algorithmic Learning in a
Random World", ch. 8). Gamblers of several `STAKES` bet on u being small (stranger pictures) or large with the fair odds
1 + stake · (u − ½), moving a hundredth of their capital to each other at every bet (the "simple jumper" of Vovk et al.
2021, "Retrain or not retrain"), and each bet adds one new unit of capital (Shiryaev–Roberts). Under no change the
capital's mean after t bets is t; so the chance of a false alarm, capital `ALARM`, within t bets is at most t / `ALARM`.
The capitals of the three questions are averaged, so that the bound holds for a bundle.

Pictures of one patient are alike and come together. All that follow within `SITTING_GAP_S`, up to `SITTING_MOST`, are one
sitting and one bet, on the mean of their u, and weigh one in the urn. Sections are counted but not bet on: their p-values
are medians over windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from math import ceil
from typing import Annotated, TypeAlias

from msgspec import DecodeError, Meta
from msgspec.json import decode, encode
from msgspec.structs import replace

from device.base.records import Record
from device.reading.bundle import Bundle
from device.reading.reading import Reading
from device.reading.site.profile import SiteProfile

BINS = 20
STAKES = (-1.6, -0.6, 0.0, 0.6, 1.6)
MOVED = 0.01  # share of each gambler's capital that is shared out among all before a bet
ALARM = 100_000.0
CALM = 1_000.0  # capital that is often seen without any change
SITTING_GAP_S = 120.0
SITTING_MOST = 10
MOST = 2**53  # no count and no capital comes near; larger ones are damage

Count: TypeAlias = Annotated[int, Meta(ge=0, lt=MOST)]
Weight: TypeAlias = Annotated[float, Meta(ge=0, lt=MOST)]
Weights: TypeAlias = Annotated[tuple[Weight, ...], Meta(min_length=BINS, max_length=BINS)]
Histogram: TypeAlias = Annotated[tuple[Count, ...], Meta(min_length=BINS, max_length=BINS)]
Capital: TypeAlias = Annotated[tuple[Weight, ...], Meta(min_length=len(STAKES), max_length=len(STAKES))]

# What the text of a row that another version or a fault wrote may raise.
UNUSABLE = (DecodeError, ValueError, TypeError, RecursionError)


def bin_of(p_value: float) -> int:
    """Which of `BINS` equal bins a p-value in (0, 1] falls into; a bin has its upper end."""
    return min(BINS - 1, max(0, ceil(p_value * BINS - 1e-9) - 1))


@cache
def gaps(n: int) -> tuple[int, ...]:
    """How many of the n + 1 p-values that n calibration scores allow, k / (n + 1), fall into each bin."""
    bins = [bin_of(k / (n + 1)) for k in range(1, n + 2)]
    return tuple(bins.count(k) for k in range(BINS))


class Question(Record, frozen=True):
    """The test of one question: `urn`, weight of the closed sittings in each bin; `capital` of each stake; of the sitting
    that is open, the pictures in each bin and the sum of their u."""

    urn: Weights
    capital: Capital
    open_bins: Histogram
    open_u: Weight

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
        return Question(urn, capital, UNASKED.open_bins, UNASKED.open_u)

    @property
    def stranger(self) -> bool:
        """Whether most capital was won by bets on stranger pictures."""
        return STAKES[max(range(len(STAKES)), key=self.capital.__getitem__)] < 0


UNASKED = Question((0.0,) * BINS, (0.0,) * len(STAKES), (0,) * BINS, 0.0)  # before the first picture


class Alarm(Record, frozen=True):
    """When the watch found a change (day), since about when it went on, in which question, and whether pictures became
    stranger (else: more alike)."""

    found: str
    began: str
    question: str
    stranger: bool


class Watch(Record, frozen=True):
    """The test of one bundle since it began or was reset. Days are ISO dates, `last` an ISO time."""

    since: str
    questions: Mapping[str, Question]
    pictures: Count = 0
    sittings: Count = 0
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
            name: watch.questions.get(name, UNASKED).with_picture(p_value, sizes[name], draw())
            for name, p_value in p_values.items()
        }
        all_questions = {**watch.questions, **questions}
        return replace(
            watch, questions=all_questions, pictures=watch.pictures + 1, last=now.isoformat(timespec="seconds")
        )

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
            unchanged = {name: replace(q, capital=self.questions[name].capital) for name, q in questions.items()}
            return replace(watch, questions=unchanged)
        if watch.evidence < CALM:
            return replace(watch, calm=day)
        if watch.evidence < ALARM:
            return watch
        name, question = max(questions.items(), key=lambda each: sum(each[1].capital))
        return replace(watch, alarm=Alarm(day, watch.calm or watch.since, name, question.stranger))

    def as_text(self) -> str:
        return encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> Watch:
        """Raises one of `UNUSABLE` for a text that isn't a watch's."""
        watch = decode(text, type=cls)
        for day in (watch.since, watch.calm or watch.since):
            date.fromisoformat(day)
        if watch.last is not None and datetime.fromisoformat(watch.last).tzinfo is not None:
            raise ValueError("not a local time")
        if watch.alarm and watch.alarm.question not in watch.questions:
            raise ValueError("an alarm of no question")
        return watch


def p_values_of(reading: Reading) -> dict[str, float]:
    """The p-values of a field by question; none of a section."""
    if reading.section is not None:
        return {}
    return {a.question: a.p_value for a in reading.verdict.answers if a.p_value is not None}


def calibration_sizes(bundle: Bundle, profile: SiteProfile | None = None) -> dict[str, int]:
    """How many scores each question with p-values was calibrated on: those of the clinic, where it has a profile."""
    rules = bundle.manifest.gate if profile is None else profile.fit
    return {name: len(scores) for name, scores in rules.calibration_scores.items()}
