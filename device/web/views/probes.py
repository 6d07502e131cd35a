"""Whether the process lives, and whether readings work: for programs that watch the box."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from device.documents.health import ready_document
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.query import language

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def get_healthz() -> Response:
    return jsonify(status="ok")


@blueprint.get("/readyz")
def get_readyz() -> Response:
    """Whether readings work. Raises the error that they would meet."""
    box = the_box()
    box.readiness.check(box.start())
    return answer(ready_document(box.bundles, box.problems(), language()))
