"""All figures of the door, so that they can be read at one place and tests can have smaller ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from device.errors import LoupeError


@dataclass(frozen=True)
class Rules:
    """What the app's side says of its routes, and the limits that hold for every client."""

    lanes: Mapping[str, int]  # the threads of each lane
    lane_of: Callable[[str, str], str]  # the lane of a method and path
    body_limit: Callable[[str, str], int]  # the most bytes of the body of a method and path
    too_large: Callable[[str, str], LoupeError]  # what is answered to a longer one
    held_bytes: int  # of all bodies and answers that the door holds
    largest_body: int

    head_bytes: int = 16_384
    head_fields: int = 100
    extra_bytes: int = 65_536  # sent before the answer to what was sent earlier
    # A chunked body may come in this many pieces of any size, and beyond them in pieces of so many bytes on the mean.
    free_chunks: int = 1_000
    chunk_bytes: int = 512

    # What the system keeps of a connection each way (it takes twice as much): unbounded, it would take megabytes of an
    # answer that nobody reads, or of a body that waits to be read.
    kernel_bytes: int = 131_072

    idle_s: float = 15.0  # a connection on which nothing is asked
    head_s: float = 10.0  # from a head's first byte to its last
    body_grace_s: float = 15.0
    body_s: float = 300.0
    answer_grace_s: float = 15.0
    answer_s: float = 300.0
    least_bytes_per_s: int = 20_000  # of bodies and answers, on the mean, once the grace is over
    patience_s: float = 30.0  # how long a whole request waits for a thread
    # After an answer that closes the connection: what still comes is read and dropped, or the client would lose the answer.
    linger_s: float = 10.0
    linger_silent_s: float = 2.0
    linger_bytes: int = 64_000_000

    connections: int = 512
    connections_per_address: int = 64
    waiting_per_lane: int = 128
    retry_after_s: int = 5
    tick_s: float = 0.25  # how often the deadlines are looked at
