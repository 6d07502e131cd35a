"""How good a model is at a clinic: measured on pictures that have a diagnosis.

Diagnoses measure; they don't refit. Only a slope and an offset of the logits may follow them, and only where patients that
were left out of their fit are read better for it (`Recalibration`): on some forty pictures more would fit noise.

A diagnosis may be one class or a group of classes ("malignant"). A picture is read right where its most probable class is
among them. Pictures of one patient are alike, so intervals are the wider of two: the exact one of single pictures (Clopper
and Pearson 1934), and that of patients drawn anew (bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from device.base.records import Record
from device.reading.bundle import Bundle
from device.reading.manifest import Count, Level, Share
from device.reading.maps import softmax
from device.reading.prediction_sets import prediction_sets
from device.reading.rate_bound import at_most

INTERVAL = 0.95
DRAWS = 1_000  # of patients, for an interval
HALVINGS = 50
ENOUGH_PICTURES, ENOUGH_PATIENTS = 40, 20
LEAST_A_SIDE = 5  # patients with pictures of concern, and with others
FOLDS = 20  # in which patients are left out in turn
LEAST_SLOPE, MOST_SLOPE, MOST_OFFSET = 0.1, 10.0, 10.0
RIDGE = 1.0  # pull to "as it came", pictures' worth
STEPS = 60
SEED = 20

Floats = NDArray[np.float64]


class MeasuredShare(Record, frozen=True):
    """`count` of `of` pictures, and the 95 % interval of the share."""

    count: Count
    of: Count
    low: Share
    high: Share


class MeasuredAuroc(Record, frozen=True):
    """Of the probability of the classes of concern, and its 95 % interval over patients; None where a side has fewer
    than `LEAST_A_SIDE` patients, of whom drawing anew tells nothing."""

    value: Share
    low: Share | None = None
    high: Share | None = None


def moved(logits: Floats, concern: NDArray[np.bool_], slope: float, offset: float) -> Floats:
    """Logits [..., classes] · `slope`, and + `offset` for classes of concern."""
    return np.asarray(logits * slope + concern * offset)


class Recalibration(Record, frozen=True):
    """logit · `slope`, and + `offset` for classes of concern. `loss_before` and `loss_after`: mean log loss of pictures
    whose patients were left out."""

    slope: Annotated[float, Meta(ge=LEAST_SLOPE, le=MOST_SLOPE)]
    offset: Annotated[float, Meta(ge=-MOST_OFFSET, le=MOST_OFFSET)]
    loss_before: Annotated[float, Meta(ge=0, le=1e6)]
    loss_after: Annotated[float, Meta(ge=0, le=1e6)]

    def logits(self, logits: Floats, concern: NDArray[np.bool_]) -> Floats:
        """Logits [..., classes] as they are at this clinic."""
        return moved(logits, concern, self.slope, self.offset)


class SiteMeasure(Record, frozen=True, kw_only=True):
    """`accuracy`: pictures whose most probable class was the diagnosis; `coverage`: whose answer included it. `auroc`: None
    where all pictures are of one side. Where a `recalibration` is in use all are of left-out patients."""

    patients: Count
    accuracy: MeasuredShare
    coverage: MeasuredShare
    auroc: MeasuredAuroc | None = None
    recalibration: Recalibration | None = None
    loss_as_it_came: Annotated[float, Meta(ge=0, le=1e6)]
    loss_recalibrated: Annotated[float, Meta(ge=0, le=1e6)]
    interval: Level = INTERVAL

    @property
    def enough(self) -> bool:
        """Whether pictures and patients are enough to rely on it."""
        return self.accuracy.of >= ENOUGH_PICTURES and self.patients >= ENOUGH_PATIENTS


@dataclass(frozen=True)
class Diagnosed:
    """Pictures with a diagnosis: `logits` [n, classes], `truth` bool [n, classes], `patients` [n]; `concern`: which classes
    are of concern, bool [classes]."""

    logits: Floats
    truth: NDArray[np.bool_]
    patients: NDArray[np.str_]
    concern: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> Diagnosed:
        return Diagnosed(self.logits[chosen], self.truth[chosen], self.patients[chosen], self.concern)


def concern_mask(bundle: Bundle) -> NDArray[np.bool_]:
    """Which classes are of concern: bool [classes], in bundle order."""
    return np.isin(bundle.labels, bundle.manifest.answer.concern)


def measure_site(
    bundle: Bundle, logits: Floats, truths: Sequence[Sequence[str]], patients: Sequence[str]
) -> SiteMeasure:
    """What is measured on pictures with these logits [n, classes], each with the ids of the classes that its diagnosis
    allows and its patient."""
    truth = np.array([[label in each for label in bundle.labels] for each in truths])
    seen = Diagnosed(np.asarray(logits, np.float64), truth, np.asarray(patients, np.str_), concern_mask(bundle))
    temperature = bundle.manifest.calibration.temperature
    recalibrated, before, after = _left_out(seen, temperature)
    gain = before - after
    found = fit_recalibration(seen, temperature) if len(set(patients)) > 1 and _gains(gain, seen.patients) else None
    used = recalibrated if found else seen.logits
    probabilities = softmax(used, temperature)
    thresholds = np.array([bundle.manifest.answer.classes[label].threshold for label in bundle.labels])
    right = truth[np.arange(len(truth)), probabilities.argmax(1)]
    inside = (prediction_sets(probabilities, thresholds) & truth).any(1)
    return SiteMeasure(
        patients=len(set(patients)),
        accuracy=_share(right, seen.patients),
        coverage=_share(inside, seen.patients),
        auroc=_measured_auroc(probabilities[:, seen.concern].sum(1), seen),
        recalibration=None
        if found is None
        else Recalibration(found[0], found[1], round(float(before.mean()), 6), round(float(after.mean()), 6)),
        loss_as_it_came=round(float(before.mean()), 6),
        loss_recalibrated=round(float(after.mean()), 6),
    )


# --- shares ----------------------------------------------------------------------------------------------------------


def exact_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent pictures (Clopper and Pearson)."""
    tail = (1 - INTERVAL) / 2
    low = 0.0 if count == 0 else _root(lambda share: 1 - at_most(count - 1, of, share) - tail)
    high = 1.0 if count == of else _root(lambda share: tail - at_most(count, of, share))
    return low, high


def _root(rising: Callable[[float], float]) -> float:
    """Where a function that rises from 0 to 1 passes zero."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        between = (low + high) / 2
        low, high = (low, between) if rising(between) > 0 else (between, high)
    return (low + high) / 2


def _share(hits: NDArray[np.bool_], patients: NDArray[np.str_]) -> MeasuredShare:
    low, high = exact_interval(int(hits.sum()), len(hits))
    if len(set(patients)) < len(patients):
        drawn = np.array([hits[rows].mean() for rows in _draws(patients)])
        low, high = min(low, float(_quantile(drawn, False))), max(high, float(_quantile(drawn, True)))
    return MeasuredShare(int(hits.sum()), len(hits), round(low, 4), round(high, 4))


def _quantile(drawn: Floats, upper: bool) -> float:
    tail = (1 - INTERVAL) / 2
    return float(np.quantile(drawn, 1 - tail if upper else tail))


def _draws(patients: NDArray[np.str_]) -> Iterator[NDArray[np.intp]]:
    """Rows of pictures of patients that are drawn anew, as many as there are."""
    rows = [np.flatnonzero(patients == name) for name in np.unique(patients)]
    random = np.random.default_rng(SEED)
    for _ in range(DRAWS):
        yield np.concatenate([rows[chosen] for chosen in random.integers(0, len(rows), len(rows))])


# --- AUROC -----------------------------------------------------------------------------------------------------------


def _measured_auroc(probability: Floats, seen: Diagnosed) -> MeasuredAuroc | None:
    """Of pictures whose diagnosis is of one side; None where all of these are of one."""
    positive = np.asarray(~(seen.truth & ~seen.concern).any(1))
    sided = positive | ~(seen.truth & seen.concern).any(1)
    probability, positive, patients = probability[sided], positive[sided], seen.patients[sided]
    value = auroc(probability, positive)
    if value is None:
        return None
    if min(len(set(patients[positive])), len(set(patients[~positive]))) < LEAST_A_SIDE:
        return MeasuredAuroc(round(value, 4))
    drawn = [found for rows in _draws(patients) if (found := auroc(probability[rows], positive[rows])) is not None]
    low, high = _quantile(np.array(drawn), False), _quantile(np.array(drawn), True)
    return MeasuredAuroc(round(value, 4), round(low, 4), round(high, 4))


def auroc(scores: Floats, positive: NDArray[np.bool_]) -> float | None:
    """The chance that a positive picture scores higher than another; ties count half. None where all are of one side."""
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))


# --- slope and offset ------------------------------------------------------------------------------------------------


def log_losses(logits: Floats, truth: NDArray[np.bool_], temperature: float) -> Floats:
    """−log of the probability of the diagnosis [n]."""
    inside = (softmax(logits, temperature) * truth).sum(1)
    return np.asarray(-np.log(np.maximum(inside, 1e-12)))


def fit_recalibration(seen: Diagnosed, temperature: float) -> tuple[float, float]:
    """The slope and offset with the least log loss, pulled to 1 and 0 by `RIDGE` pictures' worth."""

    def loss(slope_log: float, offset: float) -> float:
        there = moved(seen.logits, seen.concern, np.exp(slope_log), offset)
        pull = RIDGE * (slope_log**2 + (offset / temperature) ** 2) / 2
        return float(log_losses(there, seen.truth, temperature).sum() + pull)

    point, step = np.zeros(2), np.array([0.4, 0.4])
    best = loss(*point)
    for _ in range(STEPS):  # by coordinates, each step halved where it doesn't help: two numbers need no more
        for axis in range(2):
            for sign in (1.0, -1.0):
                tried = point.copy()
                tried[axis] += sign * step[axis]
                if (found := loss(*tried)) < best:
                    point, best = tried, found
                    break
            else:
                step[axis] /= 2
    slope = float(np.clip(np.exp(point[0]), LEAST_SLOPE, MOST_SLOPE))
    return round(slope, 6), round(float(np.clip(point[1], -MOST_OFFSET, MOST_OFFSET)), 6)


def _left_out(seen: Diagnosed, temperature: float) -> tuple[Floats, Floats, Floats]:
    """Logits [n, classes] recalibrated without the picture's patient, and the log losses [n] as it came and so."""
    names = np.unique(seen.patients)
    recalibrated = seen.logits.copy()
    for fold in range(min(FOLDS, len(names)) if len(names) > 1 else 0):
        held = np.isin(seen.patients, names[fold::FOLDS])
        slope, offset = fit_recalibration(seen.only(~held), temperature)
        recalibrated[held] = moved(seen.logits[held], seen.concern, slope, offset)
    return (
        recalibrated,
        log_losses(seen.logits, seen.truth, temperature),
        log_losses(recalibrated, seen.truth, temperature),
    )


def _gains(gain: Floats, patients: NDArray[np.str_]) -> bool:
    """Whether left-out patients are read better by more than a standard error of their mean."""
    means = np.array([gain[patients == name].mean() for name in np.unique(patients)])
    if len(means) < ENOUGH_PATIENTS:
        return False
    return bool(means.mean() > means.std(ddof=1) / np.sqrt(len(means)))
