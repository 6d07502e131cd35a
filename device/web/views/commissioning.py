"""Commissioning: the page by which a technician takes the box through it, and what that page asks for.

Each picture comes by itself, is read, and is dropped. `device/web/commissioning.py` keeps what it came to until the
technician signs a profile or discards all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import msgspec
import msgspec.structs
from flask import Blueprint, Response, render_template, request

from device import __version__
from device.base.errors import (
    BoxKeyUnusable,
    CommissioningError,
    CommissioningFull,
    CommissioningGone,
    CommissioningInvalid,
    CommissioningPictureUnknown,
    CommissioningPictureUnplaced,
    CommissioningUnconcluded,
    CommissioningUnderWay,
    DecodingUnavailable,
    DiagnosisUnknown,
    ImageError,
    InstrumentOtherShape,
    InstrumentUnknown,
    Phrase,
    ProfileError,
    ProfileSetAlone,
    ProfileUnknown,
    ProfileUnwritable,
    ReadingStopped,
    ScaleNeeded,
    StoreUnusable,
    UnknownModel,
    echoed,
)
from device.base.texts import words
from device.documents.commissioning_job import CommissioningDocument, JobDocument, JobPicture
from device.reading.bundle import Bundle
from device.reading.site.commission import FLOOR, KINDS
from device.reading.site.stain import SiteColour
from device.web.answers import answer
from device.web.box import Box, the_box
from device.web.commissioning import PATIENT_CHARACTERS, Job, Place, diagnoses
from device.web.commissioning_documents import commissioning_document, job_document, job_picture
from device.web.desks.desk import Desk, PictureMeasured, PicturesOfSite, PictureToMeasure
from device.web.desks.pool import Cost
from device.web.incoming.bodies import BeginBody, DiagnosisBody, ReportBody
from device.web.incoming.json_body import sent_json
from device.web.incoming.picture import sent_picture
from device.web.incoming.query import JobQuery, LanguageQuery, NewPictureQuery, bundle_named, language
from device.web.openapi.operations import FILE, OCTETS, PICTURE, READERS_FAIL, operation

blueprint = Blueprint("commissioning", __name__)
Body = TypeVar("Body")


@blueprint.get("/commissioning")
def get_commissioning_page() -> str:
    chosen = language()
    return render_template(
        "commissioning.html",
        language=chosen,
        words=words(chosen),
        version=__version__,
        kinds=KINDS,
        floor=round(100 * FLOOR),
    )


@blueprint.get("/api/v1/commissioning")
@operation("How the box stands at this clinic", query=LanguageQuery, answer=CommissioningDocument)
def get_commissioning() -> Response:
    return answer(commissioning_document(the_box(), language()))


# --- the commissioning under way -------------------------------------------------------------------------------------


@blueprint.post("/api/v1/commissioning/job")
@operation(
    "Begin a commissioning",
    query=LanguageQuery,
    body=BeginBody,
    answer=JobDocument,
    errors=(CommissioningUnderWay, CommissioningInvalid, InstrumentUnknown, ProfileSetAlone, ScaleNeeded, UnknownModel),
)
def post_job() -> Response:
    """Where another one is under way, that must be discarded first."""
    box, sent = the_box(), _sent(BeginBody)
    box.sites.check_takes_new()
    bundle = bundle_named(box.bundles, sent.model)
    kept = None if sent.instrument is None else box.instruments.get(sent.instrument)
    if kept is None and bundle.manifest.needs_scale:
        raise ScaleNeeded(model=sent.model)
    return answer(job_document(box.commissioning.begin(bundle, kept, datetime.now()), language()))


@blueprint.get("/api/v1/commissioning/job")
@operation("The commissioning under way", query=JobQuery, answer=JobDocument, errors=(CommissioningGone,))
def get_job() -> Response:
    return answer(job_document(_job(), language()))


@blueprint.delete("/api/v1/commissioning/job")
@operation("Discard the commissioning under way", query=LanguageQuery, answer=CommissioningDocument, errors=())
def delete_job() -> Response:
    """Whoever began it: a page that was closed can't discard its own."""
    box = the_box()
    box.commissioning.end()
    return answer(commissioning_document(box, language()))


@blueprint.post("/api/v1/commissioning/job/pictures")
@operation(
    "Read a picture for the commissioning",
    query=NewPictureQuery,
    body=PICTURE,
    answer=JobPicture,
    errors=(
        *(CommissioningGone, CommissioningFull, CommissioningPictureUnplaced, DiagnosisUnknown),
        *(ImageError, DecodingUnavailable, ReadingStopped, *READERS_FAIL),
    ),
)
def post_job_picture() -> Response:
    """The pictures of a commissioning wait as sections do: they crowd no reading out."""
    box, job = the_box(), _job()
    place = _place(job.bundle)
    box.commissioning.check_room(job, place)
    kept = _measured(box, job, place)
    added = box.commissioning.add(job.token, place, kept.means, kept.stain)
    return answer(job_picture(added, job.bundle, language()))


@blueprint.post("/api/v1/commissioning/job/colours")
@operation(
    "Find the clinic's colours from its pictures", query=JobQuery, answer=JobDocument, errors=(CommissioningGone,)
)
def post_job_colours() -> Response:
    """Each picture has then to be sent again, to be read in them, if there are colours to be found (`colours_found`)."""
    return answer(job_document(the_box().commissioning.find_colour(request.args.get("job")), language()))


@blueprint.post("/api/v1/commissioning/job/pictures/<int:picture>")
@operation(
    "Read a picture again, in the clinic's colours",
    query=JobQuery,
    body=PICTURE,
    answer=JobPicture,
    errors=(
        *(CommissioningGone, CommissioningFull, CommissioningPictureUnknown, CommissioningUnconcluded),
        *(ImageError, DecodingUnavailable, ReadingStopped, *READERS_FAIL),
    ),
)
def post_job_picture_again(picture: int) -> Response:
    box, job = the_box(), _job()
    if job.colour is None:
        raise CommissioningUnconcluded()
    kept = _measured(box, job, job.place_of(picture), job.colour)
    return answer(job_picture(box.commissioning.read_in_colour(job, picture, kept.means), job.bundle, language()))


@blueprint.put("/api/v1/commissioning/job/pictures/<int:picture>")
@operation(
    "Say what a patient's picture shows",
    query=JobQuery,
    body=DiagnosisBody,
    answer=JobPicture,
    errors=(CommissioningGone, CommissioningInvalid, CommissioningPictureUnknown, DiagnosisUnknown),
)
def put_job_picture(picture: int) -> Response:
    box, job = the_box(), _job()
    label = _diagnosis(_sent(DiagnosisBody).label, job.bundle)
    changed = box.commissioning.diagnose(job.token, picture, label)
    return answer(job_picture(changed, job.bundle, language()))


@blueprint.delete("/api/v1/commissioning/job/pictures/<int:picture>")
@operation(
    "Take a picture back",
    query=JobQuery,
    answer=JobDocument,
    errors=(CommissioningGone, CommissioningPictureUnknown),
)
def delete_job_picture(picture: int) -> Response:
    return answer(job_document(the_box().commissioning.remove(_job().token, picture), language()))


@blueprint.post("/api/v1/commissioning/job/report")
@operation(
    "What the pictures came to",
    query=JobQuery,
    body=ReportBody,
    answer=JobDocument,
    errors=(CommissioningGone, CommissioningInvalid, CommissioningError, CommissioningUnconcluded, *READERS_FAIL),
)
def post_job_report() -> Response:
    box, job, floor = the_box(), _job(), _sent(ReportBody).floor
    coloured = job.coloured
    pictures = PicturesOfSite(
        job.bundle.manifest.id,
        [picture.as_own(job.bundle.manifest, coloured=coloured) for picture in job.own],
        [picture.as_foreign(coloured=coloured) for picture in job.foreign],
        job.instrument,
        job.instrument_version,
        job.colour if coloured else None,
        floor,
    )
    with box.desk(Cost.SECTION, request.environ) as (desk, gone), box.readiness.doubted_by_failures():
        found = desk.commission(pictures, gone)
    return answer(job_document(box.commissioning.conclude(job, found), language()))


@blueprint.post("/api/v1/commissioning/job/profile")
@operation(
    "Sign the report's profile and use it",
    query=JobQuery,
    answer=CommissioningDocument,
    errors=(
        CommissioningGone,
        CommissioningUnconcluded,
        ProfileError,
        ProfileUnwritable,
        BoxKeyUnusable,
        StoreUnusable,
    ),
)
def post_job_profile() -> Response:
    box, job = the_box(), _job()
    with box.commissioning.signing(job.token) as found:
        box.sites.add(found.profile)
    return answer(commissioning_document(box, language()))


# --- profiles --------------------------------------------------------------------------------------------------------


@blueprint.get("/api/v1/commissioning/profiles/<profile>")
@operation("A site profile's file", query=LanguageQuery, answer=OCTETS, errors=(ProfileUnknown, ProfileError))
def get_profile(profile: str) -> Response:
    return Response(the_box().sites.file(profile), mimetype=OCTETS)


@blueprint.post("/api/v1/commissioning/profiles")
@operation(
    "Take over a profile that this box has signed",
    query=LanguageQuery,
    body=FILE,
    answer=CommissioningDocument,
    errors=(ProfileError, ProfileUnwritable, BoxKeyUnusable),
)
def post_profile() -> Response:
    box = the_box()
    box.sites.take_over(request.get_data(cache=False, parse_form_data=False), Phrase("sent_profile"))
    return answer(commissioning_document(box, language()))


@blueprint.delete("/api/v1/commissioning/profiles/<profile>")
@operation(
    "Revoke a site profile", query=LanguageQuery, answer=CommissioningDocument, errors=(ProfileUnknown, StoreUnusable)
)
def delete_profile(profile: str) -> Response:
    box = the_box()
    box.sites.revoke(profile, "by_hand", datetime.now())
    return answer(commissioning_document(box, language()))


# --- what was sent ---------------------------------------------------------------------------------------------------


def _job() -> Job:
    """The job that `?job=` names. Raises `CommissioningGone`."""
    return the_box().commissioning.job(request.args.get("job"))


def _sent(kind: type[Body]) -> Body:
    """The record that was sent as JSON. Raises `CommissioningInvalid`, `JsonInvalid`, `JsonTooDeep`."""
    try:
        return msgspec.convert(sent_json(), kind)
    except msgspec.ValidationError as error:
        raise CommissioningInvalid(detail=str(error)) from error


def _place(bundle: Bundle) -> Place:
    """Where the query says that a picture belongs. Raises `CommissioningPictureUnplaced`, `DiagnosisUnknown`."""
    patient = (request.args.get("patient") or "").strip()
    kind = request.args.get("kind")
    in_order = len(patient) <= PATIENT_CHARACTERS and patient.isprintable()
    if not in_order or bool(patient) == bool(kind) or (kind and kind not in KINDS):
        raise CommissioningPictureUnplaced(limit=PATIENT_CHARACTERS, kinds=", ".join(KINDS))
    if kind:
        return Place(kind=kind)
    return Place(patient=patient, label=_diagnosis(request.args.get("label") or None, bundle))


def _measured(box: Box, job: Job, place: Place, colour: SiteColour | None = None) -> PictureMeasured:
    """What stays of the picture that was sent."""
    picture = PictureToMeasure(sent_picture(box.settings), job.bundle.manifest.id, job.instrument, colour)
    box.readiness.check_files()
    with box.desk(Cost.SECTION, request.environ) as (desk, gone), box.readiness.doubted_by_failures():
        return _read(desk, picture, place, gone)


def _read(desk: Desk, picture: PictureToMeasure, place: Place, gone: Callable[[], bool]) -> PictureMeasured:
    """Foreign material may come from any camera: a picture of another shape than the instrument's
    is read at its size of a pixel."""
    try:
        return desk.means(picture, gone)
    except InstrumentOtherShape:
        if place.kind is None or picture.instrument is None:
            raise
        of_any_size = msgspec.structs.replace(picture.instrument, width_px=0, height_px=0)
        return desk.means(replace(picture, instrument=of_any_size), gone)


def _diagnosis(label: str | None, bundle: Bundle) -> str | None:
    """One of the model's, or none. Raises `DiagnosisUnknown`."""
    known = diagnoses(bundle.manifest)
    if label is not None and label not in known:
        raise DiagnosisUnknown(label=echoed(label), classes=", ".join(known))
    return label
