"""WebP, through libwebp (`imagecodecs`): Pillow's WebP reader takes memory for two whole canvases and a frame.

The file's header is read here first, because libwebp takes memory for the size that it states.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.base.errors import AnimatedImage, ImageDamaged, ImageTruncated
from device.reading.formats.exif import parse_exif
from device.reading.formats.pillow import note_profile
from device.reading.formats.pixels import Stored, check_size, finish, room, wanted_size
from device.reading.image import Image, Limits, SizeRule

MOST_CHUNKS = 10_000
LOSSLESS, LOSSY, CANVAS, FRAME = b"VP8L", b"VP8 ", b"VP8X", b"ANMF"
HAS_ALPHA = 0x10  # a flag of the canvas

# What libwebp takes for a pixel beside the picture that comes out: of a lossless one a copy, of a lossy one its alpha.
# An animation of one frame, which some programs write, takes two canvases.
LOSSLESS_BYTES_PER_PX, LOSSY_BYTES_PER_PX, FRAME_BYTES_PER_PX = 5, 2, 16


@dataclass(frozen=True)
class Header:
    """(width, height) of the picture, whether it has alpha, and how it is compressed."""

    width: int
    height: int
    alpha: bool
    lossless: bool


def prepare() -> None:
    """Load the libraries that the first file would load."""
    import imagecodecs

    _ = imagecodecs.webp_decode


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    import imagecodecs

    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise ImageTruncated
    chunks = list(_chunks(data))
    header = _header(chunks)
    check_size(header.width, header.height, limits)
    frames = sum(kind == FRAME for kind, _ in chunks)
    if frames > 1:
        raise AnimatedImage(frames=frames)
    size = wanted_size(header.width, header.height, target)
    bodies = {kind: bytes(body) for kind, body in reversed(chunks) if kind in (b"EXIF", b"ICCP")}
    orientation = parse_exif(bodies.get(b"EXIF", b"")).orientation
    samples = 4 if header.alpha else 3
    beside = FRAME_BYTES_PER_PX if frames else LOSSLESS_BYTES_PER_PX if header.lossless else LOSSY_BYTES_PER_PX
    notes: list[str] = []
    with room((header.width, header.height), size, header.width * header.height * (samples + beside)):
        try:
            pixels = imagecodecs.webp_decode(data, hasalpha=header.alpha)
        except imagecodecs.WebpError as failure:
            raise ImageDamaged from failure
        note_profile(bodies.get(b"ICCP"), notes)
        return finish(
            Stored(_without_empty_alpha(pixels, notes)),
            size,
            (header.width, header.height),
            "WebP",
            notes,
            orientation=orientation,
            preview=orientation > 1,  # not all browsers turn WebP files
        )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Each chunk's kind and body."""
    view, at = memoryview(data), 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise ImageDamaged


def _header(chunks: list[tuple[bytes, memoryview]]) -> Header:
    """Raises `ImageDamaged`."""
    kinds = {kind for kind, _ in chunks}
    kind, body = chunks[0] if chunks else (b"", memoryview(b""))
    if kind == CANVAS and len(body) >= 10:
        flags, (width, height) = body[0], (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        return Header(width, height, bool(flags & HAS_ALPHA), bool(kinds & {LOSSLESS, FRAME}))
    if kind == LOSSLESS and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return Header(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1), True)
    if kind == LOSSY and len(body) >= 10 and bytes(body[3:6]) == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return Header(width & 0x3FFF, height & 0x3FFF, False, False)
    raise ImageDamaged


def _without_empty_alpha(pixels: NDArray[np.uint8], notes: list[str]) -> NDArray[np.uint8]:
    """The colours alone where alpha is 0 everywhere: nobody saves an invisible picture."""
    if pixels.shape[2] == 4 and not pixels[..., 3].any():
        notes.append("alpha_ignored")
        return pixels[..., :3]
    return pixels
