"""The size of the picture in an AV1 stream, by the stream's own header (AV1 specification, 5.3 and 5.5). Decoders take
memory for that size, whatever the file around the stream says."""

from __future__ import annotations

from collections.abc import Iterator

SEQUENCE_HEADER = 1
MOST_UNITS = 10_000


class _Bits:
    """Bits read one after the other. Raises `ValueError` where there are no more."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data), 8 * len(data)

    def read(self, count: int) -> int:
        if count > self.left:
            raise ValueError
        self.left -= count
        return self.value >> self.left & ((1 << count) - 1)

    def skip_number(self) -> None:
        """A number of variable length (uvlc)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        self.read(min(zeros, 32))


def announced_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """(width, height) of each sequence header in a stream. Raises `ValueError` where the stream makes no sense."""
    at, units = 0, 0
    while at < len(data):
        units += 1
        header = data[at]
        at += 2 if header & 4 else 1
        length = len(data) - at
        if header & 2:
            length, at = _length(data, at)
        if units > MOST_UNITS or at + length > len(data):
            raise ValueError
        if header >> 3 & 15 == SEQUENCE_HEADER:
            yield _size(_Bits(data[at : at + min(length, 400)]))
        at += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the least first (leb128), and where what follows it starts."""
    value = 0
    for place in range(8):
        if at >= len(data):
            raise ValueError
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return value, at
    raise ValueError


def _size(bits: _Bits) -> tuple[int, int]:
    bits.read(4)  # profile, whether it is a still picture
    if bits.read(1):
        bits.read(5)
    else:
        _skip_points(bits)
    wide, high = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(wide) + 1, bits.read(high) + 1


def _skip_points(bits: _Bits) -> None:
    """Timing and operating points of a sequence header that isn't reduced to a still picture's."""
    delay_bits = 0
    models = False
    if bits.read(1):  # timing
        bits.read(64)
        if bits.read(1):
            bits.skip_number()
        models = bool(bits.read(1))
        if models:
            delay_bits = bits.read(5) + 1
            bits.read(42)
    delays = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if models and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if delays and bits.read(1):
            bits.read(4)
