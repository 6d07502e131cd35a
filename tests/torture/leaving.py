"""Clients that leave: at every byte of a request, while their picture waits or is read, with a byte too many."""

from __future__ import annotations

import random
import socket
import time
from typing import Any

from tests.support.drawn_files import encode, tissue
from tests.torture.bombs import BOMBS, sent
from tests.torture.wire import READINGS, Target, head

RESET = (socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def draw(_rng: random.Random) -> list[bytes]:
    field = encode(tissue(1024, 768), "JPEG")
    section = encode(tissue(6000, 4500), "JPEG", quality=50)
    dear = [BOMBS[name]() for name in ("JPEG 2,000 scans of 64 MP", "TIFF tiles of 16 × 16, 64 MP", "WebP 20 MP")]
    pictures = [field, encode(tissue(1024, 768), "TIFF"), *dear]
    made = [sent(data, READINGS, way) for data in pictures for way in ("raw", "form", "chunks")]
    return made + [sent(section, f"{READINGS}?um_per_px=0.3", way) for way in ("raw", "form")]


def leave(target: Target, drawn: list[bytes], rng: random.Random) -> str:
    data = rng.choice(drawn)
    at = rng.choice((rng.randrange(300), rng.randrange(len(data)), len(data), len(data)))
    with target.connect() as connection:
        connection.sendall(data[:at] + (b"G" if at == len(data) and rng.random() < 0.5 else b""))
        if at == len(data):
            time.sleep(min(max(0.0, target.left_s), rng.choice((0.0, 0.05, 0.3, 1.0, 3.0))))
        if rng.random() < 0.3:
            connection.setsockopt(*RESET)
        elif rng.random() < 0.2:
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
    return "left"


def leave_at_once(target: Target, drawn: list[bytes], rng: random.Random) -> str:
    """A whole field, and the connection is reset some milliseconds later."""
    with target.connect() as connection:
        connection.sendall(drawn[0])
        time.sleep(rng.choice((0.01, 0.05)))
        connection.setsockopt(*RESET)
    return "left"


def leave_answers(target: Target, _drawn: object, rng: random.Random) -> str:
    """A large answer of which some is read, then the connection is reset or half closed."""
    with target.connect(receive_bytes=4096) as connection:
        connection.sendall(head("GET", "/api/v1/units", None, {"Connection": "close"}))
        connection.recv(rng.choice((1, 1000, 60_000)))
        if rng.random() < 0.2:
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.02)
        connection.setsockopt(*RESET)
    return "left"


def leave_sections(target: Target, drawn: list[Any], rng: random.Random) -> str:
    """Sections that were sent whole, and nobody waits for them."""
    with target.connect() as connection:
        connection.sendall(drawn[-2] + rng.choice((b"", b"G")))
        time.sleep(min(max(0.0, target.left_s), 0.5))
    return "left"
