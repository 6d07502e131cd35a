"""Lanes: whole requests of one kind, and the threads that run the app for them. No lane starves another, and within one
the addresses take turns.

Only the door's thread touches a lane; its threads see one request at a time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from device.door.answer import Answer


class Job(Protocol):
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
        """There was no place left for it."""


class Lane:
    """`threads` threads and a line of at most `places` requests."""

    def __init__(self, name: str, threads: int, places: int, loop: asyncio.AbstractEventLoop) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free, self._places, self._loop = threads, places, loop
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()  # by address; whose turn is next, first
        self._waiting = 0

    def add(self, job: Job) -> None:
        """Run it as soon as its turn comes. Where the line is full, the address with most in it loses its newest."""
        self._lines.setdefault(job.address, deque()).append(job)
        self._waiting += 1
        self._start()
        if self._waiting > self._places:
            longest = max(self._lines, key=lambda address: len(self._lines[address]))
            newest = self._lines[longest][-1]
            self.remove(newest)
            newest.send_away()

    def remove(self, job: Job) -> None:
        """Take a job out of the line, whose client has left, say."""
        line = self._lines.get(job.address)
        if line and job in line:
            line.remove(job)
            self._waiting -= 1
            if not line:
                del self._lines[job.address]

    def close(self) -> None:
        """Leave no thread behind that isn't in the middle of a request."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._free and self._lines:
            address, line = self._lines.popitem(last=False)
            job = line.popleft()
            if line:
                self._lines[address] = line
            self._waiting -= 1
            self._free -= 1
            job.started()
            future = self._loop.run_in_executor(self._executor, job.run)
            future.add_done_callback(lambda done, job=job: self._end(job, done))  # type: ignore[misc]

    def _end(self, job: Job, done: asyncio.Future[Answer]) -> None:
        self._free += 1
        if not done.cancelled():
            job.finished(done.result())
        self._start()
