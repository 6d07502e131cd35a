"""The clinic's instruments: their page, the routes by which a technician sets them up, and what a photo tells of one."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, render_template, request

from device import __version__
from device.base.errors import (
    DecodingUnavailable,
    ImageError,
    InstrumentInvalid,
    InstrumentNameTaken,
    InstrumentsFull,
    InstrumentUnknown,
    MarksNotFound,
    MarksTooFew,
    MarksUneven,
    NotGlass,
    PixelSizeUnstated,
    ReadersLost,
    ReadingStopped,
    ScaleInvalid,
    StoreUnusable,
)
from device.base.texts import words
from device.documents.instruments import (
    GlassDocument,
    InstrumentEntry,
    InstrumentsDocument,
    MarksDocument,
    PixelSizeDocument,
    instrument_entry,
    instruments_document,
    measurement_document,
)
from device.reading.preview import fitting
from device.web.answers import answer
from device.web.box import the_box
from device.web.desks.pool import Cost
from device.web.incoming.bodies import InstrumentBody
from device.web.incoming.json_body import sent_json
from device.web.incoming.picture import cost_of, sent_picture
from device.web.incoming.query import LanguageQuery, language
from device.web.openapi.operations import PICTURE, operation

INSTRUMENT_REFUSED = (ScaleInvalid, InstrumentInvalid, InstrumentNameTaken, StoreUnusable)
PHOTO_REFUSED = (ImageError, DecodingUnavailable, ReadersLost, ReadingStopped)

blueprint = Blueprint("instruments", __name__)


@blueprint.get("/instruments")
def get_instruments_page() -> str:
    chosen = language()
    return render_template("instruments.html", language=chosen, words=words(chosen), version=__version__)


@blueprint.get("/api/v1/instruments")
@operation("The clinic's instruments", query=LanguageQuery, answer=InstrumentsDocument, errors=(StoreUnusable,))
def get_instruments() -> Response:
    return answer(instruments_document(the_box().instruments.all()))


@blueprint.post("/api/v1/instruments")
@operation(
    "Set up an instrument",
    query=LanguageQuery,
    body=InstrumentBody,
    answer=InstrumentEntry,
    errors=(*INSTRUMENT_REFUSED, InstrumentsFull),
)
def post_instrument() -> Response:
    return answer(instrument_entry(the_box().instruments.add(sent_json())))


@blueprint.put("/api/v1/instruments/<instrument>")
@operation(
    "Change an instrument",
    query=LanguageQuery,
    body=InstrumentBody,
    answer=InstrumentEntry,
    errors=(*INSTRUMENT_REFUSED, InstrumentUnknown),
)
def put_instrument(instrument: str) -> Response:
    return answer(instrument_entry(the_box().instruments.change(instrument, sent_json())))


@blueprint.delete("/api/v1/instruments/<instrument>")
@operation(
    "Delete an instrument",
    query=LanguageQuery,
    answer=InstrumentsDocument,
    errors=(InstrumentUnknown, StoreUnusable),
)
def delete_instrument(instrument: str) -> Response:
    """Its profiles end first: where that can't be kept, the instrument stays."""
    box = the_box()
    box.instruments.get(instrument)
    box.sites.revoke_instrument(instrument, datetime.now())
    box.instruments.remove(instrument)
    return get_instruments()


@blueprint.post("/api/v1/measurements/marks")
@operation(
    "The marks of a photographed stage micrometer",
    query=LanguageQuery,
    body=PICTURE,
    answer=MarksDocument,
    errors=(*PHOTO_REFUSED, MarksNotFound, MarksTooFew, MarksUneven),
)
def post_marks() -> Response:
    return _measured("marks")


@blueprint.post("/api/v1/measurements/glass")
@operation(
    "The white of a photo of empty glass",
    query=LanguageQuery,
    body=PICTURE,
    answer=GlassDocument,
    errors=(*PHOTO_REFUSED, NotGlass),
)
def post_glass() -> Response:
    return _measured("glass")


@blueprint.post("/api/v1/measurements/pixel-size")
@operation(
    "The size of a pixel that a file states",
    query=LanguageQuery,
    body=PICTURE,
    answer=PixelSizeDocument,
    errors=(*PHOTO_REFUSED, PixelSizeUnstated),
)
def post_pixel_size() -> Response:
    return _measured("pixel-size")


def _measured(what: str) -> Response:
    """Waits for a desk as a preview does. A micrometer's photo is read at its full size, with which costly files wait."""
    box = the_box()
    data = sent_picture(box.settings)
    cost = cost_of(data, fitting)
    with box.desk(Cost.COSTLY if what == "marks" else cost, request.environ) as (desk, gone):
        return answer(measurement_document(desk.measure(what, data, gone), language()))
