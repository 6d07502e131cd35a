"""What a picture file will cost to decode, estimated from its header and structure before anything is decoded.

Common JPEG and PNG files cost little: in the worst case that their structure allows, about a third of a second of one
core and `OWN_BYTES` of memory (docs/engineers/decisions.md has the figures). Any other file, of another kind or built
in an unusual way, is decoded in a process of its own, and waits in the line of costly files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from device.base.errors import LoupeError
from device.reading.image import SizeRule

MOST_BYTES = 8_000_000

# JPEG: baseline is decoded to a quarter of its size and less, so it may be large; a progressive one is kept whole as
# coefficients, once for the look at damage and once to be read, and gone over for each scan.
BASELINE_PX, PROGRESSIVE_PX = 24_000_000, 2_500_000
SCALED_PX = 4_000_000  # that are decoded
MOST_SEGMENTS, MOST_SCANS = 300, 14
SOI, SOS, EOI, HEIGHTS = 0xD8, 0xDA, 0xD9, (0xC0, 0xC1, 0xC2)
PROGRESSIVE = 0xC2

# PNG: with transparency it is kept at four bytes a pixel, and flattened.
OPAQUE_PX, TRANSPARENT_PX = 5_000_000, 2_500_000
MOST_CHUNKS, MOST_METADATA = 2000, 200_000
COLOURS, ALPHA = (0, 2, 3, 4, 6), (4, 6)

RESULT_PX = 1_500_000  # that come out at most


@dataclass(frozen=True)
class Header:
    """A picture that is cheap to decode at the size of a field. `always`: cheap at its full size too."""

    width: int
    height: int
    always: bool


def is_cheap(data: bytes, target: int | SizeRule | None) -> bool:
    """Whether a file may be decoded where others are read; `target` as for `device.reading.image.decode`."""
    header = _header(data)
    if header is None:
        return False
    width, height = header.width, header.height
    if callable(target):
        try:
            width, height = target(width, height)
        except LoupeError:
            return True  # nothing will be decoded
    elif target is not None:
        return True
    return header.always and width * height <= RESULT_PX


def _header(data: bytes) -> Header | None:
    """None where the file isn't a cheap one."""
    if len(data) > MOST_BYTES:
        return None
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    return _png(data) if data.startswith(b"\x89PNG\r\n\x1a\n") else None


def _jpeg(data: bytes) -> Header | None:
    """Reads segment by segment up to the first scan; what follows doesn't change the cost."""
    at, frame = 2, b""
    progressive = False
    for _ in range(MOST_SEGMENTS):
        if data[at : at + 1] != b"\xff":
            return None
        marker = data[at + 1] if at + 1 < len(data) else EOI
        length = int.from_bytes(data[at + 2 : at + 4])
        if marker in HEIGHTS:
            if frame:
                return None
            frame, progressive = data[at + 4 : at + 2 + length], marker == PROGRESSIVE
        elif marker == SOS:
            break
        elif 0xC0 <= marker <= 0xCF and marker != 0xC4:
            return None  # arithmetic, lossless or hierarchical
        elif marker in (0x00, 0x01, EOI, SOI, 0xFF) or 0xD0 <= marker <= 0xD7 or length < 2:
            return None
        at += 2 + length
    else:
        return None
    if len(frame) < 6 or frame[5] not in (1, 3):  # of four inks it is kept three times
        return None
    height, width = struct.unpack(">HH", frame[1:5])
    scans = data.count(b"\xff\xda", at)
    if progressive:
        return Header(width, height, True) if scans <= MOST_SCANS and width * height <= PROGRESSIVE_PX else None
    if scans > len(frame[6:]) // 3 or width * height > BASELINE_PX:
        return None
    return Header(width, height, width * height <= SCALED_PX)


def _png(data: bytes) -> Header | None:
    """Reads chunk by chunk to the end."""
    if data[8:16] != b"\0\0\0\rIHDR" or len(data) < 33:
        return None
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if bits > 8 or interlace or colour not in COLOURS:
        return None
    at, beside, most_px = 33, 0, TRANSPARENT_PX if colour in ALPHA else OPAQUE_PX
    for _ in range(MOST_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if kind != b"IDAT":
            beside += length
        if kind == b"tRNS":
            most_px = TRANSPARENT_PX
        if kind == b"IEND" or at + 8 > len(data) or beside > MOST_METADATA:
            break
        at += 12 + length
    else:
        return None
    return Header(width, height, True) if beside <= MOST_METADATA and width * height <= most_px else None
