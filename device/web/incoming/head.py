"""The head of a request, bounded before anything looks at it.

The program gets only the headers that it uses, each no longer than it needs to be: the parsers behind it (Werkzeug,
`email`) take long for texts that are made to be slow.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import request
from werkzeug.exceptions import RequestURITooLarge
from werkzeug.routing import IntegerConverter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ADDRESS_LIMIT = 2_000  # bytes of path and query
TEXT_LIMIT = 500
MOST_DIGITS = 9  # of a number in an address
DATE = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
# The headers that the program looks at, and what each may be. Others, and longer ones, count as missing.
ANY = re.compile(rf"[^\r\n]{{0,{TEXT_LIMIT}}}")
HEADERS = {
    "HTTP_HOST": ANY,
    "HTTP_ORIGIN": ANY,
    "HTTP_SEC_FETCH_SITE": ANY,
    "HTTP_ACCEPT": ANY,
    "HTTP_ACCEPT_LANGUAGE": ANY,
    "HTTP_RANGE": re.compile(r"bytes=\d{0,12}-\d{0,12}", re.ASCII),
    "HTTP_IF_NONE_MATCH": ANY,
    "HTTP_IF_MODIFIED_SINCE": re.compile(DATE, re.ASCII),
    "HTTP_X_LOUPE_CODE": ANY,
    "CONTENT_TYPE": ANY,
}


class Bounded:
    """A WSGI application that gets only the headers that it uses, each bounded."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.app(bounded(environ), start_response)


def bounded(environ: WSGIEnvironment) -> WSGIEnvironment:
    """A request's WSGI environment without the headers that the program doesn't look at or that can't be right."""
    bounded_environ = {
        name: value
        for name, value in environ.items()
        if not (name.startswith("HTTP_") or name in HEADERS) or (name in HEADERS and HEADERS[name].fullmatch(value))
    }
    if "HTTP_HOST" in environ:
        bounded_environ.setdefault("HTTP_HOST", "")  # never the server's own name in its place
    if "HTTP_ORIGIN" in environ:
        bounded_environ.setdefault("HTTP_ORIGIN", "")
    # Werkzeug takes bytes beyond ASCII for UTF-8, and fails where they aren't.
    bounded_environ["QUERY_STRING"] = quote(
        environ.get("QUERY_STRING", ""), safe=string.printable, encoding="latin-1", errors="replace"
    )
    if "HTTP_IF_RANGE" in environ:
        bounded_environ.pop("HTTP_RANGE", None)  # the whole file is right in any case
    return bounded_environ


class ShortNumber(IntegerConverter):
    """A whole number in an address, of so many digits as any unit or rank may have."""

    regex = rf"\d{{1,{MOST_DIGITS}}}"


def refuse_long_addresses() -> None:
    """Raises `RequestURITooLarge`."""
    if len(request.environ["PATH_INFO"]) + len(request.environ.get("QUERY_STRING", "")) > ADDRESS_LIMIT:
        raise RequestURITooLarge
