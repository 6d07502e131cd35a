"""Lanes: whole requests of one kind, and the threads that run the app for them. No lane starves another. Within a lane
the addresses take turns.

Only the door's thread touches a lane; its threads see one request at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from device.web.door.answer import Answer
from device.web.door.turns import Turns


class Job(Hashable, Protocol):
    """A whole request."""

    @property
    def address(self) -> str:
        """Whose turn it takes."""

    def run(self) -> Answer:
        """Called in a thread of the lane."""

    def started(self) -> None:
        """It has left the line."""

    def finished(self, answer: Answer) -> None:
        """The thread is done with it."""

    def send_away(self) -> None:
        """There is no place left for it; it takes itself out of the line."""


class Lane:
    """`threads` threads and a line of at most `places` requests."""

    def __init__(self, name: str, threads: int, places: int, loop: asyncio.AbstractEventLoop) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free, self._places, self._loop = threads, places, loop
        self._waiting: Turns[Job] = Turns()

    def add(self, job: Job) -> None:
        """Run it as soon as its turn comes. Where the line is full, the address with most in it loses its newest."""
        self._waiting.add(job.address, job)
        self._start()
        if len(self._waiting) > self._places:
            self._waiting.newest(self._waiting.longest()).send_away()

    def remove(self, job: Job) -> None:
        """Take a job out of the line, whose client has left, say."""
        self._waiting.remove(job.address, job)

    def close(self) -> None:
        """Leave no thread behind that isn't in the middle of a request."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._free and self._waiting:
            _, job = self._waiting.next()
            self._free -= 1
            job.started()
            future = self._loop.run_in_executor(self._executor, job.run)
            future.add_done_callback(lambda done, job=job: self._end(job, done))  # type: ignore[misc]

    def _end(self, job: Job, done: asyncio.Future[Answer]) -> None:
        self._free += 1
        if not done.cancelled():
            job.finished(done.result())
        self._start()
