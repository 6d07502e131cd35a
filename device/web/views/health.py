"""How the box is, as a page and as JSON; and how a technician begins a model's drift watch anew."""

from __future__ import annotations

from datetime import datetime

import msgspec
from flask import Blueprint, Response, render_template

from device.base.errors import ResetUnconfirmed, StoreUnusable
from device.base.texts import words
from device.documents.health import HealthDocument, health_document, watched
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.bodies import ResetBody
from device.web.incoming.json_body import sent_json
from device.web.incoming.query import LanguageQuery, language
from device.web.openapi.operations import operation

blueprint = Blueprint("health", __name__)


def _health() -> HealthDocument:
    box = the_box()
    failure = box.failure()
    problems = [*([failure] if failure else []), *box.problems()]
    return health_document(
        box.bundles, box.drift, box.settings.threads, problems, datetime.now(), language(), box.kept_standings()
    )


@blueprint.get("/health")
def get_health_page() -> str:
    chosen = language()
    t = words(chosen)["health"]
    return render_template(
        "health.html", language=chosen, words=words(chosen), t=t, health=_health(), now=datetime.now()
    )


@blueprint.get("/api/v1/health")
@operation("How the box is", query=LanguageQuery, answer=HealthDocument)
def get_health() -> Response:
    return answer(_health())


@blueprint.post("/api/v1/health/reset")
@operation(
    "Begin a model's drift watch anew",
    query=LanguageQuery,
    body=ResetBody,
    answer=HealthDocument,
    errors=(ResetUnconfirmed, StoreUnusable),
)
def post_health_reset() -> Response:
    """JSON alone: a browser lets no other site's page send that here."""
    box = the_box()
    try:
        sent = msgspec.convert(sent_json(), ResetBody)
    except msgspec.ValidationError as error:
        raise ResetUnconfirmed() from error
    bundle = next((bundle for bundle in box.bundles if bundle.manifest.id == sent.model), None)
    if bundle is None or not sent.confirm:
        raise ResetUnconfirmed()
    box.drift.reset(bundle, datetime.now(), watched(box.kept_standings()[bundle.manifest.id]))
    if box.drift.problem:
        raise box.drift.problem
    return answer(_health())
