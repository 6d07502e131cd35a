"""What can be put off: the chunks of bodies, which may be of a byte each. The door does a little of it at a time, so that
whoever asks for something else isn't kept waiting, and the addresses take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import Protocol

from device.web.door.turns import Turns

AT_A_TIME_S, PAUSE_S = 0.001, 0.002  # so that it takes a third of the thread that has all else to do


class Deferred(Hashable, Protocol):
    """What has something to do."""

    @property
    def address(self) -> str:
        """Whose turn it takes."""

    def work(self) -> None:
        """A small part of it; adds itself again where there is more."""


class Later:
    """Only the door's thread touches it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: Turns[Deferred] = Turns()
        self._next: asyncio.Handle | None = None

    def add(self, deferred: Deferred) -> None:
        """Let it work when its turn comes."""
        self._waiting.add(deferred.address, deferred)
        if not self._next:
            self._next = self._loop.call_soon(self._work)

    def _work(self) -> None:
        until = time.thread_time() + AT_A_TIME_S
        while self._waiting and time.thread_time() < until:
            _, deferred = self._waiting.next()
            deferred.work()
        self._next = self._loop.call_later(PAUSE_S, self._work) if self._waiting else None
