"""Whether this process can read now: `/readyz` asks it, and no reading begins with a model file that has changed.

A model's file is compared with what was verified: by its size and time, and by its hash when these differ. Golden
pictures that are read at a free desk tell whether readers work. The result holds for a while, so that asking often
costs nothing and nobody waits for another's question.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from device.base.errors import ImageError, LoupeError, ReadingStopped, UnknownModel
from device.reading.bundle import Bundle
from device.web.desks.desk import Desk
from device.web.desks.pool import DeskPool

KEPT_S = 60.0
KEPT_AFTER_FAILURE_S = 5.0


class Readiness:
    """Whether the bundles' files are unchanged, and the readers work. Threads may share it."""

    def __init__(self, bundles: Sequence[Bundle], clock: Callable[[], float] = time.monotonic) -> None:
        self._bundles, self._clock = tuple(bundles), clock
        self._verified: dict[str, tuple[int, int]] = {}  # each file's size and time (ns) when its bytes were right
        self._files_lock, self._test_lock = threading.Lock(), threading.Lock()
        self._failure: LoupeError | None = None
        self._valid_until = 0.0

    def check_files(self) -> None:
        """Raises `BundleChanged` for a file that was written to since it was verified."""
        with self._files_lock:
            for bundle in self._bundles:
                if bundle.file is None:
                    continue
                status = os.fstat(bundle.file.fileno())
                state = status.st_size, status.st_mtime_ns
                if self._verified.get(bundle.name) != state:
                    bundle.check_unchanged()
                    self._verified[bundle.name] = state

    def check(self, pool: DeskPool[Desk]) -> None:
        """Raises the error that readings would meet."""
        self.check_files()
        if self._clock() >= self._valid_until and self._test_lock.acquire(blocking=False):
            try:
                self._test(pool)
            finally:
                self._test_lock.release()
        if failure := self._failure:  # of the last test, while another thread tests
            raise failure.with_traceback(None)  # or each time that it is raised would add to it

    @contextmanager
    def doubted_by_failures(self) -> Iterator[None]:
        """Around a reading: where it fails, and neither picture nor request are the cause, the next `check` tests
        again."""
        try:
            yield
        except (ImageError, ReadingStopped, UnknownModel):
            raise
        except Exception:
            self._valid_until = 0.0
            raise

    def _test(self, pool: DeskPool[Desk]) -> None:
        """Read golden pictures at a free desk. Where all are at work, the last result stands."""
        with pool.idle() as desk:
            if desk is None:
                return
            failure: LoupeError | None = None
            try:
                desk.test()
            except LoupeError as error:
                failure = error
        self._failure = failure
        self._valid_until = self._clock() + (KEPT_AFTER_FAILURE_S if self._failure else KEPT_S)
