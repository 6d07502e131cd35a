"""The API's description in OpenAPI, for programs that are made from it."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from device.web.box import the_box
from device.web.openapi.document import openapi_document
from device.web.openapi.operations import JSON, operation

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/api/v1/openapi.json")
@operation("This document", answer=JSON)
def get_openapi() -> Response:
    box = the_box()

    def render() -> str:
        return current_app.json.dumps(openapi_document(current_app, box.settings))

    return Response(box.rendered(("openapi",), render), mimetype=JSON)
