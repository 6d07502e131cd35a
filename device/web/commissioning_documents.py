"""The documents of a commissioning, made of what the box keeps: for the page `/commissioning` and programs."""

from __future__ import annotations

from device.base.texts import words
from device.documents.commissioning import ENOUGH_FOREIGN, report_document
from device.documents.commissioning_job import (
    CommissioningDocument,
    CommissioningLimits,
    JobDocument,
    JobPicture,
    JobUnderWay,
    ModelToCommission,
    ProfileEntry,
    WantedCounts,
)
from device.documents.model import label_names
from device.documents.site import site_state
from device.documents.verdict import reason_words
from device.reading.bundle import Bundle
from device.reading.site.colour import needs_colour
from device.reading.site.commission import KINDS, patients_needed
from device.reading.site.measure import ENOUGH_PICTURES
from device.reading.site.standing import NOT_COMMISSIONED
from device.storage.sites import KeptProfile
from device.web.box import Box
from device.web.commissioning import (
    IDLE_S,
    MOST_FOREIGN,
    MOST_PICTURES,
    PATIENT_CHARACTERS,
    Job,
    MeasuredPicture,
    diagnoses,
)

WANTED = WantedCounts(
    pictures=50,
    patients=patients_needed(),
    glass=ENOUGH_FOREIGN,
    foreign=ENOUGH_FOREIGN,
    labelled=ENOUGH_PICTURES,
)


def commissioning_document(box: Box, language: str) -> CommissioningDocument:
    """How the box stands at this clinic."""
    kept = box.kept_profiles()
    job = box.commissioning.under_way()
    return CommissioningDocument(
        notice=words(language)["notice"],
        wanted=WANTED,
        limits=CommissioningLimits(
            pictures=MOST_PICTURES,
            foreign=MOST_FOREIGN,
            patient_characters=PATIENT_CHARACTERS,
            idle_s=int(IDLE_S),
            kinds=list(KINDS),
        ),
        models=[_model(bundle, kept, language) for bundle in box.bundles],
        under_way=None if job is None else JobUnderWay(since=job.since, pictures=len(job.pictures)),
        profiles=[_entry(box, each, language) for each in kept],
    )


def job_document(job: Job, language: str) -> JobDocument:
    """A commissioning under way, with its report where it was asked for."""
    return JobDocument(
        job=job.token,
        model=job.bundle.manifest.id,
        title=job.bundle.manifest.title.text(language),
        labels=label_names(job.bundle, language),
        groups=[each for each in diagnoses(job.bundle.manifest) if each not in job.bundle.labels],
        instrument=job.instrument.name if job.instrument else None,
        since=job.since,
        needs_colours=needs_colour(job.bundle),
        colours_found=job.colour is not None,
        coloured=job.coloured,
        pictures=[job_picture(picture, job.bundle, language) for picture in job.pictures],
        report=None if job.found is None else report_document(job.found.report, job.bundle, language),
    )


def job_picture(picture: MeasuredPicture, bundle: Bundle, language: str) -> JobPicture:
    """What the page says of one picture."""
    place, means, reason = picture.place, picture.means, None
    if means.reason:
        reason = reason_words(means.reason, None, bundle.manifest.modality, language)["title"]
    return JobPicture(
        number=picture.number,
        patient=place.patient,
        label=place.label,
        kind=place.kind,
        usable=means.judgeable,
        accepted=means.reason is None,
        reason=reason,
    )


def _model(bundle: Bundle, kept: list[KeptProfile], language: str) -> ModelToCommission:
    manifest = bundle.manifest
    mine = [each.standing for each in kept if each.current and each.profile.bundle.model == manifest.id]
    return ModelToCommission(
        id=manifest.id,
        title=manifest.title.text(language),
        needs_instrument=manifest.needs_scale,
        states=[site_state(standing, language) for standing in mine or [NOT_COMMISSIONED]],
    )


def _entry(box: Box, kept: KeptProfile, language: str) -> ProfileEntry:
    profile = kept.profile
    bundle = next(bundle for bundle in box.bundles if bundle.manifest.id == profile.bundle.model)
    return ProfileEntry(
        id=profile.id,
        title=bundle.manifest.title.text(language),
        used=kept.current and kept.standing.in_force is not None,
        state=site_state(kept.standing, language),
    )
