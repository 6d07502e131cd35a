"""The models on the box: what they are, how they were measured, and the limits of what they are given."""

from __future__ import annotations

from flask import Blueprint, Response

from device.documents.model import ModelsDocument, models_document
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.query import ModelQuery, asked_bundles, language
from device.web.openapi.operations import operation

blueprint = Blueprint("models", __name__)


@blueprint.get("/api/v1/model")
@operation("The models on the box, and its limits", query=ModelQuery, answer=ModelsDocument)
def get_model() -> Response:
    box = the_box()
    limits = box.settings
    return answer(models_document(asked_bundles(box.bundles), limits.max_upload_mb, limits.max_megapixels, language()))
