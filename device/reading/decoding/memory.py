"""Where the memory of a picture that is being decoded comes from.

A format module asks before it decodes (`room` in `device/reading/formats/pixels.py`): for what its decoder takes, and
for the
pixels that come out. Who answers depends on where it runs: in a program of one's own nobody counts; a serving process has
a budget; a sandboxed child asks that process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Memory(Protocol):
    """`most`: bytes that one picture may take in all, `most_result` its pixels alone."""

    @property
    def most(self) -> float: ...

    @property
    def most_result(self) -> float: ...

    def taken(self, work: int, result: int) -> AbstractContextManager[object]:
        """Within this, `work` bytes beside `result` bytes of pixels may be used. Waits for them; raises `Busy`."""

    def new_pixels(self, height: int, width: int) -> NDArray[np.uint8]:
        """uint8 [height, width, 3] for the pixels that come out."""


class Uncounted:
    """Memory as in any program: whoever decodes his own files."""

    most = most_result = inf

    def taken(self, work: int, result: int) -> AbstractContextManager[object]:
        del work, result
        return nullcontext()

    def new_pixels(self, height: int, width: int) -> NDArray[np.uint8]:
        return np.empty((height, width, 3), np.uint8)


_memory: ContextVar[Memory] = ContextVar("memory", default=Uncounted())  # noqa: B039 — it holds nothing


def current_memory() -> Memory:
    return _memory.get()


@contextmanager
def memory_from(memory: Memory) -> Iterator[None]:
    """Within this, in this thread, pictures take their memory from there."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)
