"""The routers of a serving process: readers of all bundles for each picture that is read at the same time.

They are made in the process that uses them (an interpreter doesn't survive a fork) and share the bundles' mapped files.
A picture that finds no free router waits; when too many wait, or one waits too long, the answer is `Busy`. A section keeps
its router for seconds to minutes, so where there are several routers, sections leave one to the fields.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from queue import Empty, LifoQueue

from device.bundle import Bundle
from device.errors import Busy
from device.image import Limits
from device.routing import Router

PATIENCE_S = 30.0


class RouterPool:
    """`threads` routers over the bundles and a waiting line of at most `queue` pictures."""

    def __init__(self, bundles: Sequence[Bundle], limits: Limits, threads: int, queue: int) -> None:
        self._free: LifoQueue[Router] = LifoQueue()
        for _ in range(threads):
            self._free.put(Router(bundles, limits))
        self._places = threading.BoundedSemaphore(threads + queue)
        self._long = threading.BoundedSemaphore(max(1, threads - 1))

    @contextmanager
    def router(self, *, long: bool = False) -> Iterator[Router]:
        """A router for one picture; `long` where it may be a section. Raises `Busy`."""
        if not self._places.acquire(blocking=False):
            raise Busy(retry_after_s=int(PATIENCE_S))
        try:
            with self._turn() if long else nullcontext(), self._taken() as router:
                yield router
        finally:
            self._places.release()

    @contextmanager
    def idle(self) -> Iterator[list[Router]]:
        """All routers that no picture uses now, perhaps none. A picture that comes meanwhile waits for one."""
        routers: list[Router] = []
        try:
            while True:
                routers.append(self._free.get_nowait())
        except Empty:
            pass
        try:
            yield routers
        finally:
            for router in routers:
                self._free.put(router)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._long.acquire(timeout=PATIENCE_S):
            raise Busy(retry_after_s=int(PATIENCE_S))
        try:
            yield
        finally:
            self._long.release()

    @contextmanager
    def _taken(self) -> Iterator[Router]:
        try:
            router = self._free.get(timeout=PATIENCE_S)
        except Empty as error:
            raise Busy(retry_after_s=int(PATIENCE_S)) from error
        try:
            yield router
        finally:
            self._free.put(router)
