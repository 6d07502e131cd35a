"""A picture is sent, and its reading comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flask import Blueprint, Response, request

from device.base.errors import (
    DecodingUnavailable,
    ImageError,
    InstrumentUnknown,
    ReadingStopped,
    SectionTooLarge,
    StoreUnusable,
)
from device.documents.reading_document import ReadingDocument, with_names
from device.documents.scale import UNKNOWN
from device.reading.image import SizeRule
from device.reading.reading import PixelSize, size_at, target_of
from device.reading.site.instrument import Instrument
from device.reading.site.standing import NOT_COMMISSIONED
from device.web.answers import answer
from device.web.box import Box, the_box
from device.web.desks.desk import FinishedReading, PictureToRead
from device.web.desks.pool import Cost
from device.web.incoming.picture import cost_of, sent_picture
from device.web.incoming.query import ReadingQuery, language, um_per_px
from device.web.openapi.operations import PICTURE, READERS_FAIL, operation

blueprint = Blueprint("readings", __name__)


@blueprint.post("/api/v1/readings")
@operation(
    "Read a picture",
    query=ReadingQuery,
    body=PICTURE,
    answer=ReadingDocument,
    errors=(ImageError, InstrumentUnknown, DecodingUnavailable, ReadingStopped, StoreUnusable, *READERS_FAIL),
)
def post_reading() -> Response:
    box = the_box()
    data = sent_picture(box.settings)
    pixel_size: PixelSize | None = um_per_px()
    box.readiness.check_files()
    sample = box.samples.that_is(data)
    of_sample = sample.instrument if sample is not None and pixel_size is None else None
    pixel_size = of_sample or pixel_size or _instrument(box)
    standings = {} if sample is not None else box.standings(pixel_size)
    picture = PictureToRead(
        data,
        request.args.get("model"),
        pixel_size,
        language(),
        sections=False,
        sample=of_sample is not None,
        standings=standings,
    )
    try:
        reading = _read(box, picture, cost_of(data, *_targets(box, picture)))
    except SectionTooLarge:  # to be a field, and so to be read before sections that wait
        reading = _read(box, replace(picture, sections=True), Cost.SECTION)
    # How strange a picture looks depends on its scale: where that is unknown, the watch would watch guesses.
    if sample is None and reading.document.scale.state != UNKNOWN:
        box.note(reading.noted)
    return answer(with_names(reading.document, box.units.named(reading.document, language())))


def _instrument(box: Box) -> Instrument | None:
    """The instrument that the query names. Raises `InstrumentUnknown`, `StoreUnusable`."""
    named = request.args.get("instrument")
    return box.instruments.get(named).instrument if named else None


def _targets(box: Box, picture: PictureToRead) -> Iterator[int | SizeRule]:
    """At what size each model's network gets the picture."""
    for bundle in box.bundles:
        standing = picture.standings.get(bundle.manifest.id, NOT_COMMISSIONED)
        size, _ = size_at(bundle, standing, picture.um_per_px)
        yield target_of(bundle, box.settings.limits, size, sections=picture.sections)


def _read(box: Box, picture: PictureToRead, cost: Cost) -> FinishedReading:
    with box.desk(cost, request.environ) as (desk, gone), box.readiness.doubted_by_failures():
        return desk.read(picture, gone)
