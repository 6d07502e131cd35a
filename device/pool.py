"""The readers of a serving process: one interpreter for each picture that is read at the same time.

They are made in the process that uses them (an interpreter doesn't survive a fork) and share the bundle's mapped file.
A picture that finds no free reader waits; when too many wait, or one waits too long, the answer is `Busy`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

from device.bundle import Bundle
from device.errors import Busy
from device.image import Limits
from device.reading import Reader

PATIENCE_S = 30.0


class ReaderPool:
    """`threads` readers of one bundle and a waiting line of at most `queue` pictures."""

    def __init__(self, bundle: Bundle, limits: Limits, threads: int, queue: int) -> None:
        self._free: LifoQueue[Reader] = LifoQueue()
        for _ in range(threads):
            self._free.put(Reader(bundle, limits))
        self._places = threading.BoundedSemaphore(threads + queue)

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A reader for one picture. Raises `Busy`."""
        if not self._places.acquire(blocking=False):
            raise Busy(retry_after_s=int(PATIENCE_S))
        try:
            try:
                reader = self._free.get(timeout=PATIENCE_S)
            except Empty as error:
                raise Busy(retry_after_s=int(PATIENCE_S)) from error
            try:
                yield reader
            finally:
                self._free.put(reader)
        finally:
            self._places.release()
