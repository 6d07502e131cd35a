"""A picture that browsers can't show is sent, and comes back as a JPEG of the pixels that a reading sees."""

from __future__ import annotations

from flask import Blueprint, Response, request

from device.base.errors import DecodingUnavailable, ImageError, ReadersLost, ReadingStopped
from device.reading.preview import fitting
from device.web.box import the_box
from device.web.incoming.picture import cost_of, sent_picture
from device.web.incoming.query import LanguageQuery
from device.web.openapi.operations import JPEG, PICTURE, operation

blueprint = Blueprint("previews", __name__)


@blueprint.post("/api/v1/previews")
@operation(
    "A picture as browsers can show it",
    query=LanguageQuery,
    body=PICTURE,
    answer=JPEG,
    errors=(ImageError, DecodingUnavailable, ReadersLost, ReadingStopped),
)
def post_preview() -> Response:
    """Waits for a desk as a reading does, so that previews can't crowd readings out."""
    box = the_box()
    data = sent_picture(box.settings)
    with box.desk(cost_of(data, fitting), request.environ) as (desk, gone):
        return Response(desk.preview(data, gone), mimetype="image/jpeg")
