"""Several pieces of a file, presented as one file to a decoder without copying them."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


class Joined(io.RawIOBase):
    """Reads the pieces one after the other."""

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        super().__init__()
        self._pieces = [piece for piece in pieces if len(piece)]
        self._starts = [0, *accumulate(map(len, self._pieces))]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = self._starts[-1] - self._at if size is None or size < 0 else size
        parts = []
        number = bisect_right(self._starts, self._at) - 1
        while left > 0 and number < len(self._pieces):
            first = self._at - self._starts[number]
            parts.append(bytes(self._pieces[number][first : first + left]))
            self._at += len(parts[-1])
            left -= len(parts[-1])
            number += 1
        return parts[0] if len(parts) == 1 else b"".join(parts)
