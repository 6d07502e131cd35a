"""How a model stands at this clinic, in words: on each reading, on the health page, in every export."""

from __future__ import annotations

from typing import Annotated

from device.base.texts import fill, percent, words
from device.documents.records import Record, about
from device.reading.site.measure import ENOUGH_PATIENTS, ENOUGH_PICTURES, SiteMeasure
from device.reading.site.profile import SiteProfile
from device.reading.site.standing import Standing

SCALE_UNKNOWN, COMMISSIONED, MEASURED, WITHHELD = "scale_unknown", "commissioned", "measured", "withheld"
NO_CLASS = (SCALE_UNKNOWN, WITHHELD)  # states in which an accepted picture gets no class


class ProfileIdentity(Record, frozen=True):
    """The site profile by which a model reads, or did."""

    id: Annotated[str, about("The profile: the model and its version.")]
    version: Annotated[int, about("The profile's version: profiles of a model on this box are numbered.")]
    date: Annotated[str, about("When the model was commissioned, such as 2026-01-05.")]


class SiteMeasured(Record, frozen=True):
    """What was measured at this clinic, on pictures with a diagnosis."""

    right: Annotated[int, about("Pictures whose most probable class was the diagnosis.")]
    of: Annotated[int, about("Pictures with a diagnosis.")]
    patients: Annotated[int, about("Patients that they are of.")]
    low: Annotated[float, about("95 % interval of the share that is right: its lower end.")]
    high: Annotated[float, about("Its upper end.")]
    auroc: Annotated[
        float | None, about("AUROC of the classes of concern against the others; null where it can't be told.")
    ]
    auroc_low: Annotated[
        float | None, about("95 % interval of the AUROC, over patients: its lower end; null with too few.")
    ]
    auroc_high: Annotated[float | None, about("Its upper end; null with too few patients.")]
    inside: Annotated[int, about("Pictures whose answer included the diagnosis.")]
    inside_low: Annotated[float, about("95 % interval of the share whose answer includes it: its lower end.")]
    inside_high: Annotated[float, about("Its upper end.")]
    enough: Annotated[bool, about("Enough pictures and patients to rely on it.")]


class SiteState(Record, frozen=True):
    """How the model stands at this clinic."""

    state: Annotated[
        str,
        about(
            "`scale_unknown`: no class, as nothing says how large a pixel is; `not_commissioned`; `commissioned`: set to "
            "this clinic's pictures, accuracy here unknown; `measured`: with diagnoses, too; `withheld`: measured, and not "
            "good enough for a class; `revoked`: no longer true."
        ),
    ]
    title: Annotated[str, about("The state in a few words.")]
    words: Annotated[str, about("What it means.")]
    profile: Annotated[ProfileIdentity | None, about("The site profile; null where there is none.")]
    instrument: Annotated[str | None, about("The name of the profile's instrument; null where it has none.")]
    measured: Annotated[SiteMeasured | None, about("What was measured here; null where nothing was.")]
    since: Annotated[str | None, about("Since which day it is revoked; null otherwise.")]


def site_state(standing: Standing, language: str, *, scale_known: bool = True) -> SiteState:
    """The state of a standing. `scale_known`: false where a class needs the size of a pixel, and nobody knows it."""
    profile = None if standing.signed is None else standing.signed.profile
    revoked = standing.revoked if scale_known else None
    state = standing.state if scale_known else SCALE_UNKNOWN
    texts = words(language)["site"]
    facts = {} if profile is None else _facts(profile, language)
    if revoked is not None:
        facts["since"] = revoked.since
    sentences = [fill(texts[state]["words"], facts, language)]
    if revoked is not None:
        sentences.append(texts["causes"][revoked.cause])
    measured = None if profile is None or profile.measured is None else site_measured(profile.measured)
    if state in (MEASURED, WITHHELD) and measured is not None and not measured.enough:
        sentences.append(fill(texts["few"], {"short": _short(measured, language)}, language))
    return SiteState(
        state=state,
        title=fill(texts[state]["title"], facts, language),
        words=" ".join(sentences),
        profile=None if profile is None else ProfileIdentity(profile.id, profile.version, profile.created),
        instrument=profile.instrument.name if profile and profile.instrument else None,
        measured=measured,
        since=revoked.since if revoked else None,
    )


def site_measured(measured: SiteMeasure) -> SiteMeasured:
    """What was measured, as documents have it."""
    accuracy, coverage, auroc = measured.accuracy, measured.coverage, measured.auroc
    return SiteMeasured(
        right=accuracy.count,
        of=accuracy.of,
        patients=measured.patients,
        low=accuracy.low,
        high=accuracy.high,
        auroc=auroc.value if auroc else None,
        auroc_low=auroc.low if auroc else None,
        auroc_high=auroc.high if auroc else None,
        inside=coverage.count,
        inside_low=coverage.low,
        inside_high=coverage.high,
        enough=measured.enough,
    )


def _short(measured: SiteMeasured, language: str) -> str:
    """What there is too little of: pictures, patients, or both."""
    counts = {"pictures": (measured.of, ENOUGH_PICTURES), "patients": (measured.patients, ENOUGH_PATIENTS)}
    texts = words(language)["site"]["short"]
    return ", ".join(
        fill(texts[name], {"count": count, "needed": needed}, language)
        for name, (count, needed) in counts.items()
        if count < needed
    )


def _facts(profile: SiteProfile, language: str) -> dict[str, object]:
    """What the words of a state may mention."""
    facts: dict[str, object] = {
        "date": profile.created,
        "pictures": profile.fit.promise.pictures,
        "patients": profile.fit.promise.n,
        "floor": percent(profile.floor, language),
    }
    if profile.measured is None:
        return facts
    accuracy = profile.measured.accuracy
    return facts | {
        "right": accuracy.count,
        "of": accuracy.of,
        "diagnosed": profile.measured.patients,
        "low": percent(accuracy.low, language),
        "high": percent(accuracy.high, language),
    }
