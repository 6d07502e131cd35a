"""The phases of a connection."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """In the order in which a request passes them."""

    IDLE = auto()  # nothing is asked
    HEAD = auto()
    ASKING = auto()  # for room for its body
    BODY = auto()
    WAITING = auto()  # for a thread
    RUNNING = auto()
    ANSWERING = auto()
    LEAVING = auto()  # answered, and closing
    CLOSED = auto()
