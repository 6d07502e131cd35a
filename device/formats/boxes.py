"""Files made of boxes (ISO 14496-12): HEIC, AVIF, video. Each box says how long it is, so a cut-off file is told from a
damaged one."""

from __future__ import annotations

from collections.abc import Iterator


def brands(data: bytes) -> tuple[bytes, ...]:
    """What the file says that it is: its main brand, then those that it is compatible with; none where it has no boxes."""
    if data[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(data[:4]), 256, len(data))
    return data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))


def ends_early(data: bytes) -> bool:
    """Whether the last box is longer than the file."""
    return any(end > len(data) for end in _ends(data))


def _ends(data: bytes) -> Iterator[int]:
    at = 0
    while at + 8 <= len(data):
        length, header = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16]), 16
        if length == 0:  # to the end of the file
            return
        if length < header:
            return
        at += length
        yield at
    if at < len(data):
        yield at + 8
