"""Files made of boxes (ISO 14496-12): HEIC, AVIF, video. Each box states its length, so a cut-off file can be told from
a damaged one."""

from __future__ import annotations

from collections.abc import Iterator


def brands(data: bytes) -> tuple[bytes, ...]:
    """The file's main brand, then those that it is compatible with; none where it has no boxes."""
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


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """For each box between two places: its kind, and where its contents start and end. Raises `ValueError` where a box
    is longer than the box around it."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        length, header = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16]), 16
        stop = end if length == 0 else at + length
        if stop > end or stop < at + header:
            raise ValueError
        yield data[at + 4 : at + 8], at + header, stop
        at = stop


def item_data(data: bytes, kind: bytes) -> Iterator[bytes]:
    """The bytes of each item of a kind (ISO 14496-12, 8.11). Raises `ValueError` where the structure is inconsistent."""
    for name, start, end in boxes(data):
        if name == b"meta":
            inside = {inner: (first, last) for inner, first, last in boxes(data, start + 4, end)}
            if b"iloc" not in inside or b"iinf" not in inside:
                raise ValueError
            wanted = set(_items_of(data, *inside[b"iinf"], kind))
            for number, parts in _places(data, *inside[b"iloc"], inside.get(b"idat", (0, 0))[0]):
                if number in wanted:
                    yield b"".join(data[at : at + length] if length else data[at:] for at, length in parts)


def _items_of(data: bytes, start: int, end: int, kind: bytes) -> Iterator[int]:
    first = start + (6 if data[start] == 0 else 8)
    for name, at, _ in boxes(data, first, end):
        if name == b"infe" and data[at] >= 2:
            wide = 2 if data[at] == 2 else 4
            if data[at + 6 + wide : at + 10 + wide] == kind:
                yield int.from_bytes(data[at + 4 : at + 4 + wide])


def _places(data: bytes, start: int, end: int, idat: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each item its number, and the start and length of each of its parts (box iloc)."""
    version, at = data[start], start + 4

    def number(size: int) -> int:
        nonlocal at
        if at + size > end:
            raise ValueError
        at += size
        return int.from_bytes(data[at - size : at])

    sizes = number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        if method > 1:
            raise ValueError
        number(2)
        base = number(base_size) + (idat if method else 0)
        parts = []
        for _ in range(number(2)):
            if version:
                number(index_size)
            offset = number(offset_size)
            parts.append((base + offset, number(length_size)))
        yield item, parts
