"""The form of every answer: JSON in the order in which it was made, and headers that keep browsers from other sites."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else DefaultJSONProvider.default(value)


class MappingJson(DefaultJSONProvider):
    """Flask's JSON in the order of what it is given, which may hold mappings that can't be changed
    (`device/base/texts`)."""

    sort_keys = False
    default = staticmethod(_plain)


def answer(document: msgspec.Struct) -> Response:
    """A document as JSON."""
    return Response(msgspec.json.encode(document), mimetype="application/json")


def set_form_of_answers(app: Flask) -> None:
    """Give the app this JSON, and each of its answers these headers."""
    app.json = MappingJson(app)
    app.after_request(_with_headers)


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
