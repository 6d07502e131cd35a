"""The header of a JPEG or JPEG-LS stream inside another file, read from its markers before anything is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from device.base.errors import ImageDamaged

# Markers of ISO 10918-1 (B.1.1.3) and ISO 14495-1 (C.1.1).
START_OF_FRAME = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7)
LOSSLESS = 0xC3
JFIF, ADOBE, START_OF_SCAN, END = 0xE0, 0xEE, 0xDA, 0xD9
ALONE = (0x01, 0xD8, *range(0xD0, 0xD8))  # markers without a length


@dataclass(frozen=True)
class JpegHeader:
    """Sizes in pixels. `process` is the marker of the frame, `bits` those of a sample. `ycbcr` is what the stream says
    of its colours, None where it says nothing."""

    process: int
    rows: int
    columns: int
    components: int
    bits: int
    ycbcr: bool | None = None


def jpeg_header(data: bytes) -> JpegHeader:
    """The header of a stream that starts with SOI. Raises `ImageDamaged`."""
    at, ycbcr = 0, None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ImageDamaged
        marker = data[at + 1]
        if marker == 0xFF or marker in ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + length]
        if marker in START_OF_FRAME:
            return _frame_header(marker, body, ycbcr)
        if marker in (START_OF_SCAN, END) or length < 2:
            break
        if marker == JFIF and body.startswith(b"JFIF\0"):
            ycbcr = True
        if marker == ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
            ycbcr = body[11] == 1
        at += 2 + length
    raise ImageDamaged


def _frame_header(marker: int, body: bytes, ycbcr: bool | None) -> JpegHeader:
    if len(body) < 6:
        raise ImageDamaged
    bits, rows, columns, components = struct.unpack_from(">BHHB", body)
    if body[6::3][:3] == b"RGB":
        ycbcr = False
    return JpegHeader(marker, rows, columns, components, bits, ycbcr)


def is_ycbcr(header: JpegHeader, stated: bool) -> bool:
    """Whether three components are luminance and colour differences: as the stream says, else as the file around it
    says."""
    return stated if header.ycbcr is None else header.ycbcr
