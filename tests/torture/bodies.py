"""Uploads that are never finished: what does the box hold for them?"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
from typing import Any

from tests.torture.bombs import sent
from tests.torture.wire import READINGS, Target, answer, exchange, head

Uploads = dict[str, bytes]


def draw(_rng: random.Random) -> Uploads:
    data = os.urandom(31_900_000)
    return {way: sent(data, READINGS, way) for way in ("raw", "form", "chunks")}


def unfinished(target: Target, drawn: Uploads, rng: random.Random) -> str:
    """All but the last bytes of a large body, then nothing."""
    return _hold(target, drawn[rng.choice(list(drawn))][:-8])


def parts(target: Target, drawn: Uploads, rng: random.Random) -> str:
    """Some of a large body, then nothing: more connections, each with less."""
    return _hold(target, drawn["raw"][: rng.randrange(100_000, 4_000_000)])


def _hold(target: Target, data: bytes) -> str:
    with target.connect() as connection:
        connection.sendall(data)
        connection.settimeout(max(0.5, target.left_s))
        try:
            return answer(connection)
        except TimeoutError:
            return "held"


def hoard(target: Target, drawn: Uploads, rng: random.Random) -> str:
    """A body as small as an honest field's or twenty times that, which never stands still and never ends."""
    data = drawn["raw"][100_000:2_000_000]
    with target.connect() as connection:
        size = rng.choice((100_000, 100_000, 500_000, 1_900_000, 24_000_000))
        connection.sendall(head("POST", READINGS, size) + data[:90_000])
        connection.settimeout(0.05)
        at = 90_000
        while target.left_s > 0:
            try:
                connection.recv(1, socket.MSG_PEEK)
                connection.settimeout(5)
                return answer(connection)
            except TimeoutError:
                connection.sendall(data[at : at + 10] if rng.random() < 0.5 else data[at : at + 1500])
                at += 1500
    return "held"


def whole(target: Target, drawn: Uploads, rng: random.Random) -> str:
    """The largest body that is allowed, all of it: no picture at all."""
    with target.connect() as connection:
        connection.sendall(drawn[rng.choice(list(drawn))])
        return answer(connection)


def small_chunks(target: Target, _drawn: Any, rng: random.Random) -> str:
    """A body in chunks as small as are taken, at full speed."""
    size = rng.choice((1, 70, 600, 1100))
    body = (b"%x\r\n" % size + bytes(size) + b"\r\n") * min(24_000, 2_000_000 // size)
    return exchange(target, head("POST", READINGS, None, {"Transfer-Encoding": "chunked"}) + body + b"0\r\n\r\n")


def without_end(target: Target, drawn: Uploads, _rng: random.Random) -> str:
    """Chunks that never end."""
    piece = b"10000\r\n" + bytes(65_536) + b"\r\n"
    start = drawn["chunks"]
    with target.connect() as connection:
        try:
            connection.sendall(start[: start.index(b"\r\n\r\n") + 4])
            while target.left_s > 0:
                connection.sendall(piece)
        except TimeoutError:
            raise
        except OSError:
            return answer(connection)
    return "held"


def too_large(target: Target, _drawn: Uploads, rng: random.Random) -> str:
    """A length beyond the limit, and the client waits for the answer, or sends on."""
    with target.connect() as connection:
        size = rng.choice((33_000_000, 10**12, 2**63, 10**30))
        path, kind = rng.choice(((READINGS, "image/png"), ("/api/v1/units/1/name", "application/json")))
        method = "POST" if path == READINGS else "PUT"
        connection.sendall(head(method, path, size, {"Content-Type": kind}))
        if rng.random() < 0.5:
            with contextlib.suppress(OSError):
                connection.sendall(bytes(3_000_000))
        time.sleep(0.05)
        return answer(connection)
