"""The head of a request: where it ends, whether it is too long, and whether the box accepts what h11 found in it."""

from __future__ import annotations

import re
from http import HTTPStatus

import h11

from device.web.door.rules import Rules
from device.web.door.wsgi import Request

END = re.compile(rb"\n\r?\n")
END_BYTES = 3
METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"})
VERSIONS = (b"1.0", b"1.1")
HTTP_URI = re.compile(rb"https?://([^/?#]+)", re.IGNORECASE)


def size_of(received: bytearray, looked_at: int) -> int | None:
    """The length of the head at the start of the received bytes; None where its end hasn't come. `looked_at`: bytes
    that were searched before."""
    end = END.search(received, max(0, looked_at - END_BYTES))
    return end.end() if end else None


def fault(received: bytearray, size: int, rules: Rules) -> HTTPStatus | None:
    """What is wrong with a head, whole or not, before anything parses it."""
    if size > rules.head_bytes:
        in_first_line = received.find(b"\n", 0, rules.head_bytes) < 0
        return HTTPStatus.REQUEST_URI_TOO_LONG if in_first_line else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if received.count(b"\n", 0, size) > rules.head_fields + 2:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if received[0] < ord("!"):  # no method begins so: TLS, say
        return HTTPStatus.BAD_REQUEST
    return None


def request_of(event: h11.Request) -> Request | HTTPStatus:
    """The request, or why it isn't served."""
    fields = tuple((name, value) for name, value in event.headers)
    given = {name for name, _ in fields}
    if event.http_version not in VERSIONS:
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    if event.method not in METHODS:
        return HTTPStatus.NOT_IMPLEMENTED
    if b"transfer-encoding" in given and (b"content-length" in given or event.http_version != b"1.1"):
        return HTTPStatus.BAD_REQUEST  # two lengths; whoever stands between could believe the other one
    target = event.target
    absolute = HTTP_URI.match(target)
    if absolute:  # then the Host field doesn't count (RFC 9112, 3.2.2)
        fields = (*((name, value) for name, value in fields if name != b"host"), (b"host", absolute[1]))
        target = target[absolute.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    if not target.startswith(b"/"):
        return HTTPStatus.BAD_REQUEST
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return Request(event.method.decode(), path, query, event.http_version.decode(), fields)
