"""Whether the process lives, and whether readings work: for programs that watch the box."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from device.documents.health import problem_json
from device.documents.model import identity
from device.web.box import the_box
from device.web.incoming.query import language

blueprint = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def get_healthz() -> Response:
    return jsonify(status="ok")


@blueprint.get("/readyz")
def get_readyz() -> Response:
    """Whether readings work. Raises the error that they would meet."""
    box, chosen = the_box(), language()
    box.readiness.check(box.start())
    return jsonify(
        ready=True,
        models=[identity(bundle, chosen) for bundle in box.bundles],
        problems=[problem_json(problem, chosen) for problem in box.problems()],
    )
