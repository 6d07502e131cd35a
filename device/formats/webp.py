"""WebP, through Pillow and libwebp."""

from __future__ import annotations

from collections.abc import Iterator

from PIL.WebPImagePlugin import WebPImageFile

from device.errors import ImageTruncated
from device.formats.exif import parse_exif
from device.formats.pillow import read_with
from device.image import Image, Limits, SizeRule

# libwebp's animation decoder, which Pillow uses for all files, keeps two canvases, and the frame beside them.
WORK_BYTES_PER_PX = 12
MOST_CHUNKS = 10_000


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    if _ends_early(data):
        raise ImageTruncated
    exif = next((body for kind, body in _chunks(data) if kind == b"EXIF"), b"")
    orientation = parse_exif(exif).orientation
    return read_with(
        WebPImageFile,
        "WebP",
        data,
        limits,
        target,
        ends_early=_ends_early,
        orientation=lambda _: orientation,
        preview=orientation > 1,  # not all browsers turn WebP files
        work_bytes_per_px=WORK_BYTES_PER_PX,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's kind and body."""
    at = 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            return
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _ends_early(data: bytes) -> bool:
    return len(data) < 8 + int.from_bytes(data[4:8], "little")
