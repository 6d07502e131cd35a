"""Connections that are slow, silent or never read: none of them may keep a place from anyone."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable
from typing import Any

from tests.torture.wire import READINGS, Target, answer, failed, head

STEP_S = 0.5


def dribble(start: bytes, drop: bytes = b"x") -> Callable[[Target, Any, random.Random], str]:
    """Send a start, then a little from time to time, for as long as the box lets it or until it answers."""

    def act(target: Target, _drawn: Any, rng: random.Random) -> str:
        with target.connect() as connection:
            connection.sendall(start)
            connection.settimeout(STEP_S * (0.5 + rng.random()))
            while target.left_s > 0:
                try:
                    first = connection.recv(1, socket.MSG_PEEK)
                except TimeoutError:
                    connection.sendall(drop)
                    continue
                if not first:
                    return "closed"
                connection.settimeout(5)
                return answer(connection)
        return "held"

    return act


silent = dribble(b"", b"")
slow_head = dribble(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b")
slow_fields = dribble(b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n")
slow_line = dribble(b"GET /", b"a")
slow_body = dribble(head("POST", READINGS, 30_000_000, {"Content-Type": "image/png"}) + b"\x89PNG")
slow_small_body = dribble(head("PUT", "/api/v1/units/1/name", 4000, {"Content-Type": "application/json"}) + b"{", b" ")
slow_chunks = dribble(head("POST", READINGS, None, {"Transfer-Encoding": "chunked"}), b"1\r\nx\r\n")
slow_extension = dribble(head("POST", READINGS, None, {"Transfer-Encoding": "chunked"}) + b"1;", b"x")
slow_trailers = dribble(head("POST", READINGS, None, {"Transfer-Encoding": "chunked"}) + b"0\r\n", b"X: y\r\n")
waits_to_continue = dribble(head("POST", READINGS, 3_000_000, {"Expect": "100-continue"}), b"")
slow_form = dribble(
    head("POST", READINGS, 3_000_000, {"Content-Type": "multipart/form-data; boundary=b"})
    + b'--b\r\nContent-Disposition: form-data; name="image"; filename="',
)


def unread(target: Target, _drawn: Any, rng: random.Random) -> str:
    """Ask again and again, and never read."""
    path = rng.choice(("/api/v1/units", "/model-card", "/api/v1/model", "/", "/samples/texture-normal.jpg"))
    with target.connect(receive_bytes=2048) as connection:
        connection.settimeout(STEP_S)
        with contextlib.suppress(TimeoutError):
            connection.sendall(head("GET", path) * 100)
        while target.left_s > 0:
            time.sleep(STEP_S)
            try:
                connection.sendall(b"\r\n")
            except TimeoutError:
                continue
            except OSError as error:
                return failed(target, error)
    return "held"


def slow_reader(target: Target, _drawn: Any, _rng: random.Random) -> str:
    """Read a large answer byte by byte."""
    with target.connect(receive_bytes=2048) as connection:
        connection.sendall(head("GET", "/api/v1/units"))
        count = 0
        while target.left_s > 0:
            if not connection.recv(64):
                return "closed"
            count += 1
            time.sleep(0.1)
    return "held"


def stays_after_an_answer(target: Target, _drawn: Any, _rng: random.Random) -> str:
    """One request, then the connection is kept and nothing is asked."""
    with target.connect() as connection:
        connection.sendall(head("GET", "/healthz"))
        connection.settimeout(max(0.5, target.left_s))
        try:
            while connection.recv(4096):
                pass
        except TimeoutError:
            return "held"
    return "closed"


def urgent(target: Target, _drawn: Any, _rng: random.Random) -> str:
    """Bytes out of band, amid a head."""
    with target.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(200):
            connection.send(b"!", socket.MSG_OOB)
        connection.sendall(b"\r\n")
        return answer(connection)


def comes_and_goes(target: Target, _drawn: Any, rng: random.Random) -> str:
    """Connections that are opened and closed at once, some reset."""
    with target.connect() as connection:
        if rng.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.005)
    return "left"
