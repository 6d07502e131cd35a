"""Where the memory for decoding a picture comes from.

A format module asks before it decodes (`room` in `device/reading/formats/pixels.py`): for what its decoder takes, and
for the resulting pixels. Who answers depends on where it runs: in an ordinary program nobody counts; a serving process
has a budget; a sandboxed child asks the process that started it.
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
        """While this is open, `work` bytes beside `result` bytes of pixels may be used. Waits for them; raises `Busy`."""

    def new_pixels(self, height: int, width: int) -> NDArray[np.uint8]:
        """uint8 [height, width, 3] for the resulting pixels."""


class Uncounted:
    """Memory without a count, for a program that decodes its own files."""

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
    """While this is open, pictures decoded in this thread take their memory from there."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)
