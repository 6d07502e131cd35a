"""Work that can be put off: the chunks of bodies, which may be of a byte each. The door does a little of it at a time, so
that whoever asks for something else isn't kept waiting, and the addresses take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Protocol

AT_A_TIME_S = 0.001


class Worker(Protocol):
    """What has something to do."""

    @property
    def address(self) -> str:
        """Whose turn it takes."""

    def work(self) -> None:
        """A small part of it; adds itself again where there is more."""


class Bench:
    """Only the door's thread touches it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: OrderedDict[str, OrderedDict[Worker, None]] = (
            OrderedDict()
        )  # by address; whose turn is next, first
        self._next: asyncio.Handle | None = None

    def add(self, worker: Worker) -> None:
        """Let it work when its turn comes."""
        self._lines.setdefault(worker.address, OrderedDict())[worker] = None
        if not self._next:
            self._next = self._loop.call_soon(self._work)

    def _work(self) -> None:
        until = time.thread_time() + AT_A_TIME_S
        while self._lines and time.thread_time() < until:
            address, line = self._lines.popitem(last=False)
            worker, _ = line.popitem(last=False)
            if line:
                self._lines[address] = line
            worker.work()
        self._next = self._loop.call_soon(self._work) if self._lines else None
