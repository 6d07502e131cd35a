"""All limits of the door, in one place, so that they can be read together and tests can set smaller ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from device.base.errors import LoupeError


@dataclass(frozen=True)
class Rules:
    """What the app says of its routes, and the limits that hold for every client."""

    lanes: Mapping[str, int]  # the threads of each lane
    lane_of: Callable[[str, str], str]  # the lane of a method and path
    body_limit: Callable[[str, str], int]  # the most bytes of the body of a method and path
    too_large: Callable[[str, str], LoupeError]  # what is answered to a longer one
    held_bytes: int  # of all bodies and answers that the door holds
    large_bytes: int  # of these, what large bodies may take; at least one of them
    small_body_bytes: int = 2_000_000  # most fields are no larger

    head_bytes: int = 16_384
    head_fields: int = 100
    extra_bytes: int = 65_536  # sent before the answer to what was sent earlier
    # A chunked body may come in this many pieces of any size, and beyond them in pieces of so many bytes on the mean.
    free_chunks: int = 4_096
    chunk_bytes: int = 1_024

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
    patience_s: float = 30.0  # how long a large body waits for room, and a whole request for a thread
    # The rate of a large body that has room while others wait for it.
    contended_grace_s: float = 3.0
    contended_bytes_per_s: int = 250_000
    contended_left_s: float = 10.0  # who will need more may have to make way
    # After an answer that closes the connection: what still comes is read and dropped, or the client would lose the answer.
    linger_s: float = 10.0
    linger_silent_s: float = 2.0
    linger_bytes: int = 64_000_000

    # Processor time that a connection may take before it rests, and what all that take some share of it lately.
    free_cpu_s: float = 0.005
    cpu_share: float = 0.5
    most_rest_s: float = 5.0
    notice_s: float = 0.5  # in which the leaving of a client is noticed while the app works for it

    connections: int = 512
    connections_per_address: int = 384  # many share one address behind a proxy
    young_s: float = 1.0  # a connection that is given up only when no older one is left
    forgotten: float = 0.8  # what of the bytes that came lately counts still, a tick later
    silent: int = 200  # connections on which nothing has ever come
    silent_per_address: int = 180
    unopened: int = 200  # connections on which something came that nobody has read yet
    unopened_per_address: int = 180
    waiting_per_lane: int = 128
    retry_after_s: int = 5
    tick_s: float = 0.25  # how often the deadlines are looked at

    @property
    def small_bytes(self) -> int:
        """Memory that no large body takes."""
        return self.held_bytes - self.large_bytes
