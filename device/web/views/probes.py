"""Whether the process lives, and whether readings work: for programs that watch the box."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, Response
from msgspec import Struct

from device.documents.health import ReadyDocument, ready_document
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.query import LanguageQuery, language
from device.web.openapi.operations import READERS_FAIL, operation

blueprint = Blueprint("probes", __name__)


class Alive(Struct, frozen=True):
    """That the process lives."""

    status: Literal["ok"]


@blueprint.get("/healthz")
@operation("Whether the process lives", answer=Alive)
def get_healthz() -> Response:
    return answer(Alive("ok"))


@blueprint.get("/readyz")
@operation("Whether readings work", query=LanguageQuery, answer=ReadyDocument, errors=READERS_FAIL)
def get_readyz() -> Response:
    """Whether readings work. Raises the error that they would meet."""
    box = the_box()
    box.readiness.check(box.start())
    return answer(ready_document(box.bundles, box.problems(), language()))
