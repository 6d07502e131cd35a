"""Bare HTTP over a socket, for those who don't keep its rules: what is sent is bytes, what came back is told in a word."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

PATIENCE_S = 75.0  # a request that was sent whole has an answer by then, or the box hangs
READINGS = "/api/v1/readings"


@dataclass(frozen=True)
class Target:
    """A box, the address that an attacker comes from, and when he ends (`time.monotonic`)."""

    port: int
    source: str
    until: float

    def connect(self, receive_bytes: int | None = None) -> socket.socket:
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            connection.settimeout(max(0.5, min(PATIENCE_S, self.left_s)))
            connection.bind((self.source, 0))
            connection.connect(("127.0.0.1", self.port))
        except OSError:
            connection.close()
            raise
        return connection

    @property
    def left_s(self) -> float:
        return self.until - time.monotonic()


def head(method: str, path: str, length: int | None = None, fields: Mapping[str, str] | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(connection: socket.socket, method: str = "GET") -> str:
    """The status that came back; or that the box closed without one."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = response.read()
    except http.client.HTTPException:
        return "closed"
    finally:
        response.close()
    return judged(response.status, dict(response.headers), body)


def judged(status: int, fields: Mapping[str, str], body: bytes) -> str:
    """A status, with what is wrong with the answer."""
    if b"Traceback (most" in body:
        return f"{status} WITH A TRACEBACK"
    if status == 503 and not (fields.get("Retry-After") or "").isdigit():
        return "503 without Retry-After"
    return str(status)


def exchange(target: Target, sent: bytes, method: str = "POST", half: bool = False) -> str:
    """Send bytes over a connection of their own, and what comes back. `half`: close the way there."""
    try:
        connection = target.connect()
    except OSError as error:
        return failed(target, error)
    with connection:
        try:
            connection.sendall(sent)
            if half:
                connection.shutdown(socket.SHUT_WR)
        except TimeoutError as error:
            return failed(target, error)
        except OSError:
            pass  # it may have answered before it had all
        try:
            return answer(connection, method)
        except OSError as error:
            return failed(target, error)


def ask(
    target: Target, method: str, path: str, body: bytes | None = None, fields: Mapping[str, str] | None = None
) -> str:
    """A whole request, and what comes back."""
    return exchange(target, head(method, path, None if body is None else len(body), fields) + (body or b""), method)


def failed(target: Target, error: OSError) -> str:
    """What an error means: nobody answers in time, or the attack was over before."""
    if isinstance(error, TimeoutError):
        return "left waiting" if target.left_s <= 0.5 else "HUNG"
    if isinstance(error, ConnectionRefusedError):
        return "REFUSED"
    return "closed"


def is_wrong(outcome: str) -> bool:
    """Whether an attacker may not get this: a box answers by name, or closes."""
    return (outcome[:1] == "5" and outcome not in ("501", "503", "505")) or (
        not outcome.islower() and not outcome.isdigit()
    )
