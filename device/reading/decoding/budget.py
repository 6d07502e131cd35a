"""The memory that all pictures which a process decodes may take together.

Each picture takes the amount that its header announces, before it needs it, and waits while others hold the memory. A
part is reserved for pictures that are decoded in the process itself, so that a field never waits for a large file. The
pixels of a large picture are held for as long as it is read, for a section a minute. They may take half, so that others
can be decoded meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from device.base.errors import Busy, ReadingStopped

# What one picture that is decoded in the serving process takes at most: `device/reading/formats/cost.py` sees to that.
OWN_BYTES = 32_000_000

DEFAULT_BYTES = 200_000_000
PATIENCE_S = 20.0
ASKED_EVERY_S = 0.25

Stop = Callable[[], bool]


class Budget:
    """`total` bytes for everything; `most` for one picture that is decoded in a child; `most_result` for pixels that
    are held. Safe between threads."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._work = self._results = 0
        self._freed = threading.Condition()

    @property
    def most(self) -> int:
        return self.total - OWN_BYTES

    @property
    def most_result(self) -> int:
        return self.total // 2

    @property
    def used(self) -> int:
        return self._work + self._results

    def take(self, work: int, result: int = 0, *, own: bool = False, stop: Stop | None = None) -> None:
        """Take `work` bytes to decode with, and bytes for the pixels that are held. `own`: for a picture that is
        decoded in this process. Waits for them. Raises `Busy`, or `ReadingStopped` once `stop` says so."""
        limit = self.total if own else self.most
        end = time.monotonic() + PATIENCE_S
        with self._freed:
            while self.used + work + result > limit or self._results + result > self.most_result:
                if stop is not None and stop():
                    raise ReadingStopped
                if time.monotonic() > end:
                    raise Busy(retry_after_s=int(PATIENCE_S))
                self._freed.wait(ASKED_EVERY_S)
            self._work += work
            self._results += result

    def give_back(self, work: int, result: int = 0) -> None:
        with self._freed:
            self._work -= work
            self._results -= result
            self._freed.notify_all()


class OwnMemory:
    """The memory of a picture that is decoded in this process: see `memory.Memory`."""

    def __init__(self, budget: Budget, stop: Stop | None) -> None:
        self._budget, self._stop = budget, stop

    @property
    def most(self) -> int:
        return self._budget.total

    @property
    def most_result(self) -> int:
        return self._budget.most_result

    @contextmanager
    def taken(self, work: int, result: int) -> Iterator[None]:
        self._budget.take(work + result, own=True, stop=self._stop)
        try:
            yield
        finally:
            self._budget.give_back(work + result)

    def new_pixels(self, height: int, width: int) -> NDArray[np.uint8]:
        return np.empty((height, width, 3), np.uint8)


_budget = Budget(DEFAULT_BYTES)


def budget() -> Budget:
    """The budget of this process."""
    return _budget


def set_budget(total: int) -> None:
    """To be called before anything is decoded."""
    global _budget
    _budget = Budget(total)
