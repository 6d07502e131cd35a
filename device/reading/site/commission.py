"""Commissioning: from what was kept of a clinic's pictures to a site profile and a report.

Each picture was read for its means (`device/reading/site/statistics.py`) and dropped; here are these, whose patient it is
of, and the diagnosis if there is one. The profile gets what is found from all together: no picture, no name of a file or of
a patient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, log

import numpy as np
from msgspec.structs import replace

from device import __version__
from device.base.errors import TooFewPictures
from device.base.records import Record
from device.reading.bundle import Bundle
from device.reading.gate import REASON_OF_QUESTION, SCALE
from device.reading.site.fit import ALPHA, CONFIDENCE, fit_site
from device.reading.site.instrument import Instrument
from device.reading.site.measure import SiteMeasure, measure_site
from device.reading.site.profile import SiteProfile, of_bundle
from device.reading.site.records import ForeignRefusals, PictureMeans, SitePromise
from device.reading.site.stain import SiteColour

LEAST_PICTURES, LEAST_PATIENTS = 10, 2
MOST_PICTURES = 2_000  # of the clinic's own, and as many foreign ones
FLOOR = 0.5  # no better than a coin
KINDS = ("glass", "other_stain", "other_organ", "photograph", "other")  # of foreign material, that a profile may name


@dataclass(frozen=True)
class LocalPicture:
    """What was kept of a picture of the clinic. `labels`: ids of the classes that its diagnosis allows, if any."""

    means: PictureMeans
    patient: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignPicture:
    """What was kept of a picture that the model should refuse."""

    means: PictureMeans
    kind: str


class Report(Record, frozen=True, kw_only=True):
    """What a commissioning found. `unjudgeable`: pictures that can't be judged anywhere (blurred, blank, dark), which were
    left out. `refused_before`: how many the model's own gate refuses, `of_other_size` of them for their magnification.
    `foreign` has the kinds' own names. `aimed_at`: the share refused that the promise aims at; `patients_needed`: how many
    patients without a refusal would allow it."""

    pictures: int
    patients: int
    unjudgeable: int
    refused_before: int
    of_other_size: int
    promise: SitePromise
    aimed_at: float
    patients_needed: int
    foreign: tuple[ForeignRefusals, ...]
    measured: SiteMeasure | None
    floor: float
    withheld: bool


@dataclass(frozen=True)
class Commissioned:
    """The profile, which the box has yet to sign, and the report."""

    profile: SiteProfile
    report: Report


def commission(
    bundle: Bundle,
    local: Sequence[LocalPicture],
    foreign: Sequence[ForeignPicture] = (),
    *,
    instrument: Instrument | None,
    instrument_version: int = 0,
    colour: SiteColour | None = None,
    floor: float = FLOOR,
    progress: Callable[[], None] = lambda: None,
) -> Commissioned:
    """Fit the gate to the clinic, and measure where there are diagnoses. `progress` is called between the steps. `colour`:
    what all pictures were read with. Raises `TooFewPictures`."""
    judged = [each for each in local if each.means.judgeable]
    patients = {each.patient for each in judged}
    if len(judged) < LEAST_PICTURES or len(patients) < LEAST_PATIENTS:
        raise TooFewPictures(
            pictures=len(judged),
            patients=len(patients),
            least_pictures=LEAST_PICTURES,
            least_patients=LEAST_PATIENTS,
        )
    fit = fit_site(
        bundle,
        [each.means for each in local],
        [each.patient for each in local],
        [each.means for each in foreign],
        [each.kind for each in foreign],
        colour=colour,
    )
    progress()
    diagnosed = [each for each in judged if each.labels]
    measured = None
    if diagnosed:
        logits = np.array([each.means.logits for each in diagnosed])
        measured = measure_site(
            bundle, logits, [each.labels for each in diagnosed], [each.patient for each in diagnosed]
        )
    progress()
    profile = SiteProfile(
        created=date.today().isoformat(),
        software=__version__,
        bundle=of_bundle(bundle),
        instrument=instrument,
        instrument_version=instrument_version,
        fit=replace(fit, foreign=tuple(map(_without_name, fit.foreign, range(1, len(fit.foreign) + 1)))),
        measured=measured,
        floor=floor,
    )
    report = Report(
        pictures=len(judged),
        patients=len(patients),
        unjudgeable=fit.unjudgeable,
        refused_before=fit.refused_before,
        of_other_size=sum(each.means.reason == REASON_OF_QUESTION[SCALE] for each in judged),
        promise=fit.promise,
        aimed_at=ALPHA,
        patients_needed=patients_needed(),
        foreign=fit.foreign,
        measured=measured,
        floor=floor,
        withheld=profile.withheld,
    )
    return Commissioned(profile, report)


def patients_needed() -> int:
    """From how many patients, none of them with a refused picture, the promise that is aimed at follows."""
    return ceil(log(1 - CONFIDENCE) / log(1 - ALPHA))


def _without_name(refusals: ForeignRefusals, number: int) -> ForeignRefusals:
    """The kind's number where its name is one that somebody typed."""
    return refusals if refusals.kind in KINDS else replace(refusals, kind=f"kind {number}")
