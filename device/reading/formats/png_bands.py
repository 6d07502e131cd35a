"""The rows of a large PNG, decoded a band at a time, so that its memory doesn't grow with its size.

libpng decodes only whole files. So each band becomes a small PNG: the unfiltered row above it, which the filters of its
first row need, then its own rows as they are filtered in the file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator, Sequence

import imagecodecs
import numpy as np

from device.base.errors import ImageDamaged
from device.reading.formats.pixels import Samples
from device.reading.formats.png import CHANNELS, PALETTE, SIGNATURE

BAND_BYTES, PIECE_BYTES = 2_000_000, 65_536

# What decoding takes whatever the size: a band, packed and filtered, its copies, and rows that are asked for again.
WORK_BYTES = 20_000_000


class BandedRows:
    """Rows [first:last] of the picture, uint8 or uint16 [rows, width] or [rows, width, samples]; for a palette, its
    indices. The rows after the last ones come at once; for earlier ones, decoding starts again. Raises
    `ImageDamaged` where data are missing or invalid."""

    def __init__(self, header: memoryview, packed: Sequence[memoryview]) -> None:
        width, height, self._bits, self._colour = struct.unpack(">IIBB", header[:10])
        self._packed, self._channels = packed, CHANNELS.get(self._colour, 1)  # of a palette its numbers
        self.shape: tuple[int, ...] = (height, width) if self._channels == 1 else (height, width, self._channels)
        self.dtype = np.dtype(np.uint8 if self._bits == 8 else np.uint16)
        self._begin()

    def _begin(self) -> None:
        self._bands = self._decoded()
        self._first = 0
        self._rows: Samples = np.empty((0, *self.shape[1:]), self.dtype)

    def __getitem__(self, rows: slice) -> Samples:
        first, last, _ = rows.indices(self.shape[0])
        if first < self._first:
            self._begin()
        while self._first + len(self._rows) < last:
            band = next(self._bands)
            passed = min(max(0, first - self._first), len(self._rows))
            self._rows = np.concatenate([self._rows[passed:], band])
            self._first += passed
        return self._rows[first - self._first : last - self._first]

    def __len__(self) -> int:
        return self.shape[0]

    def _decoded(self) -> Iterator[Samples]:
        height, width = self.shape[:2]
        row_bytes = width * self._channels * self._bits // 8
        step = max(1, BAND_BYTES // row_bytes)
        filtered = self._filtered()
        next(filtered)
        above = b""
        for top in range(0, height, step):
            rows = min(step, height - top)
            band = self._band(above + filtered.send(rows * (1 + row_bytes)), rows + bool(above))[bool(above) :]
            last = band[-1] if self._bits == 8 else band[-1].astype(">u2")
            above = b"\0" + last.tobytes()
            yield band

    def _band(self, rows: bytes, count: int) -> Samples:
        """Filtered rows, decoded."""
        colour = 0 if self._colour == PALETTE else self._colour
        header = struct.pack(">IIBBBBB", self.shape[1], count, self._bits, colour, 0, 0, 0)
        packed = zlib.compress(rows, 0)
        parts = [SIGNATURE, *_chunk(b"IHDR", header), *_chunk(b"IDAT", packed), *_chunk(b"IEND", b"")]
        try:
            decoded: Samples = imagecodecs.png_decode(b"".join(parts))
        except imagecodecs.PngError as failure:
            raise ImageDamaged from failure
        return decoded

    def _filtered(self) -> Generator[bytes, int, None]:
        """Yields as many bytes of the unpacked data as are sent for."""
        inflater = zlib.decompressobj()
        wanted = yield b""
        unpacked = bytearray()
        for body in self._packed:
            for at in range(0, len(body), PIECE_BYTES):
                piece: bytes | memoryview = body[at : at + PIECE_BYTES]
                while True:
                    try:
                        unpacked += inflater.decompress(piece, wanted - len(unpacked))
                    except zlib.error as failure:
                        raise ImageDamaged from failure
                    piece = inflater.unconsumed_tail
                    if len(unpacked) == wanted:
                        wanted = yield bytes(unpacked)
                        unpacked.clear()
                    elif not piece:
                        break
        raise ImageDamaged


def _chunk(kind: bytes, body: bytes) -> tuple[bytes, ...]:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)
