"""A whole request in the form of WSGI (PEP 3333), and the app's answer to it, in a thread of a lane."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from device.web.door.answer import Answer
from device.web.door.body import Body
from device.web.door.client import Client

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


@dataclass(frozen=True)
class Request:
    """The head of a request; names of `fields` are in lower case."""

    method: str
    path: bytes  # percent-encoded, without query
    query: bytes
    version: str
    fields: tuple[tuple[bytes, bytes], ...]

    @property
    def route(self) -> str:
        """The decoded path, by which routes are matched."""
        return unquote_to_bytes(self.path).decode(errors="replace")

    def field(self, name: bytes) -> bytes:
        """A field's value, empty where there is none."""
        return b", ".join(value for each, value in self.fields if each == name)


def environ_of(request: Request, body: Body, client: Client, local: tuple[str, int], peer: str) -> WSGIEnvironment:
    """`local`: name and port of the socket that took the connection; `peer`: the client's address."""
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "SERVER_NAME": local[0],
        "SERVER_PORT": str(local[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": peer,
        "CONTENT_LENGTH": str(body.size),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "loupe.client": client,
    }
    for name, value in request.fields:
        key, text = name.decode().upper(), value.decode("latin-1")
        if "_" in key or key in ("CONTENT-LENGTH", "TRANSFER-ENCODING"):
            continue  # an underscore would pass for a hyphen; the length is that of what came
        key = "CONTENT_TYPE" if key == "CONTENT-TYPE" else "HTTP_" + key.replace("-", "_")
        environ[key] = f"{environ[key]}, {text}" if key in environ else text
    return environ


def call(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Run the app and take its answer whole. Raises whatever the app does."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        if started and exc_info is None:
            raise AssertionError("start_response was called twice")
        started[:] = [(status, headers)]
        return written.append

    pieces = app(environ, start_response)
    try:
        written.extend(pieces)
    finally:
        close = getattr(pieces, "close", None)
        if close:
            close()
    status, headers = started[0]
    code, _, reason = status.partition(" ")
    encoded = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    return Answer(int(code), reason.encode("latin-1"), encoded, b"".join(written))
