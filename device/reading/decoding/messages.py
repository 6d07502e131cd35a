"""Messages between a serving process and a decoding child: JSON with its length in front, so that a child can send only
numbers and words."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

LENGTH = struct.Struct("<I")
MOST_BYTES = 1 << 16

Message = dict[str, Any]  # JSON's values by name


class Ended(Exception):
    """The other side has ended, or sends invalid messages."""


def send(connection: socket.socket, message: Message) -> None:
    """Send a message. Raises `Ended`."""
    text = json.dumps(message).encode()
    try:
        connection.sendall(LENGTH.pack(len(text)) + text)
    except OSError as failure:
        raise Ended from failure


def receive(connection: socket.socket, waiting: Callable[[], None] = lambda: None) -> Message:
    """The next message. `waiting` is called whenever the connection's timeout passes, and may raise. Raises `Ended`."""
    (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size, waiting))
    if length > MOST_BYTES:
        raise Ended
    try:
        message = json.loads(_exactly(connection, length, waiting))
    except (ValueError, RecursionError) as failure:
        raise Ended from failure
    if not isinstance(message, dict):
        raise Ended
    return message


def _exactly(connection: socket.socket, count: int, waiting: Callable[[], None]) -> bytes:
    received = b""
    while len(received) < count:
        waiting()
        try:
            part = connection.recv(count - len(received))
        except TimeoutError:
            continue
        except OSError as failure:
            raise Ended from failure
        if not part:
            raise Ended
        received += part
    return received
