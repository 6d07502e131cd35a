"""The models on the box: what they are, how they were measured, and the limits of what they are given."""

from __future__ import annotations

from flask import Blueprint, Response

from device.documents.model import models_document
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.query import asked_bundles, language

blueprint = Blueprint("models", __name__)


@blueprint.get("/api/v1/model")
def get_model() -> Response:
    box = the_box()
    limits = box.settings
    return answer(models_document(asked_bundles(box.bundles), limits.max_upload_mb, limits.max_megapixels, language()))
