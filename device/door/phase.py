"""What a connection is about."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """In the order in which connections are given up for others."""

    LEAVING = 0  # answered and closing
    IDLE = 1  # nothing is asked
    HEAD = 2
    ANSWERING = 3
    ASKING = 4  # for room for its body
    BODY = 5
    WAITING = 6  # for a thread
    RUNNING = 7
    CLOSED = 8
