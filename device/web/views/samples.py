"""The sample pictures that the page offers to try the box with."""

from __future__ import annotations

from flask import Blueprint, Response, send_from_directory
from werkzeug.exceptions import NotFound

from device.documents.samples import SamplesDocument
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.query import LanguageQuery, language
from device.web.openapi.operations import operation

blueprint = Blueprint("samples", __name__)


@blueprint.get("/api/v1/samples")
@operation("The sample pictures", query=LanguageQuery, answer=SamplesDocument)
def get_samples() -> Response:
    chosen = language()
    return answer(SamplesDocument([sample.in_language(chosen) for sample in the_box().samples.offered]))


@blueprint.get("/samples/<path:file>")
def get_sample_picture(file: str) -> Response:
    box = the_box()
    if not box.samples.has_file(file):
        raise NotFound
    return send_from_directory(box.settings.samples.resolve(), file)
