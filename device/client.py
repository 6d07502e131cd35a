"""Whether whoever sent a request is still there: nobody needs the answer to a connection that is closed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any


def is_gone(environ: Mapping[str, Any]) -> bool:
    """Whether the client of a WSGI request has closed its connection, as far as gunicorn's socket tells. A client counts as
    there where nothing can be told: under another server, over TLS, or while it has sent more than was read."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return False  # a TLS socket can't be looked into without taking from it
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def address(environ: Mapping[str, Any]) -> str:
    """Where a WSGI request comes from, as far as clients are told apart by it."""
    return str(environ.get("REMOTE_ADDR", ""))
