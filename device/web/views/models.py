"""The models on the box: what they are, how they were measured, and the limits of what they are given."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from device import __version__
from device.base.texts import words
from device.documents.model import identity
from device.reading.formats import FORMATS
from device.web.box import the_box
from device.web.incoming.query import asked_bundles, language

blueprint = Blueprint("models", __name__)


@blueprint.get("/api/v1/model")
def get_model() -> Response:
    box, chosen = the_box(), language()
    return jsonify(
        notice=words(chosen)["notice"],
        models=[
            {
                **identity(bundle, chosen),
                "labels": [
                    {"label": label["id"], "name": label["name"][chosen]} for label in bundle.manifest["labels"]
                ],
                "preprocessing": bundle.manifest["preprocessing"],
                "metrics": bundle.manifest["metrics"],
                "answer": bundle.manifest["answer"],
                "provenance": bundle.manifest["provenance"],
            }
            for bundle in asked_bundles(box.bundles)
        ],
        limits={
            "max_upload_mb": box.settings.max_upload_mb,
            "max_megapixels": box.settings.max_megapixels,
            "formats": list(FORMATS),
        },
        software=__version__,
    )
