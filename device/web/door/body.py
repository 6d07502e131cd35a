"""The body of a request: held once, and released piece by piece as the app reads it."""

from __future__ import annotations

import io
from collections import deque

PIECE_BYTES = 262_144  # large enough that the allocator gives each back to the system


class Body(io.RawIOBase):
    """The door adds to it, then the app reads it, as `wsgi.input`. Never used by two threads at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: deque[bytearray] = deque()
        self._offset = 0  # what was read of the first piece
        self.size = 0  # of all that was added

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """Single bytes are collected into a piece: each byte alone would take fifty times its size."""
        if not self._pieces or len(self._pieces[-1]) >= PIECE_BYTES:
            self._pieces.append(bytearray())
        self._pieces[-1] += data
        self.size += len(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # any writable buffer
        if not self._pieces:
            return 0
        piece = self._pieces[0]
        count = min(len(buffer), len(piece) - self._offset)
        buffer[:count] = memoryview(piece)[self._offset : self._offset + count]
        self._offset += count
        if self._offset == len(piece):
            self._pieces.popleft()
            self._offset = 0
        return count

    def readall(self) -> bytes:
        """Pieces are released as they are copied, so that the whole is never held twice."""
        whole = io.BytesIO()
        while self._pieces:
            piece = self._pieces.popleft()
            whole.write(memoryview(piece)[self._offset :] if self._offset else piece)
            self._offset = 0
        return whole.getvalue()
