"""AVIF, through Pillow and libavif. The file's own properties turn the picture; EXIF's orientation doesn't count beside
them."""

from __future__ import annotations

from io import BytesIO
from math import inf

from PIL import AvifImagePlugin
from PIL.AvifImagePlugin import AvifImageFile
from PIL.ImageFile import ImageFile

from device.base.errors import ImageTruncated, VarietyNotRead
from device.reading.formats.av1 import announced_sizes
from device.reading.formats.boxes import boxes, brands, ends_early, item_data
from device.reading.formats.exif import parse_exif
from device.reading.formats.pillow import read_with
from device.reading.formats.pixels import check_size
from device.reading.image import Image, Limits, SizeRule

# Each thread would hold frames of its own; and a confined process that starts none is one thing less.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

# dav1d's planes and those that it refers to, and libavif's picture of them.
WORK_BYTES_PER_PX = 8


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    if ends_early(data):
        raise ImageTruncated
    return read_with(
        AvifImageFile,
        "AVIF",
        BytesIO(data),
        limits,
        target,
        ends_early=lambda: False,
        orientation=_orientation,
        work_bytes=lambda width, height: WORK_BYTES_PER_PX * width * height,
        check=lambda: _check_streams(data, limits),
    )


def _check_streams(data: bytes, limits: Limits) -> None:
    """Raises `TooManyPixels` where a stream in the file announces a picture beyond the limits while the file's own header
    says that it is small: libavif would take memory for up to 268 megapixels."""
    if brands(data)[0] != b"avif" and any(kind == b"moov" for kind, _, _ in boxes(data)):
        raise VarietyNotRead(format="AVIF", variety="image sequence")
    for stream in item_data(data, b"av01"):
        for width, height in announced_sizes(stream):
            check_size(width, height, Limits(limits.max_megapixels, min_px=1, max_aspect=inf))


def _orientation(picture: ImageFile) -> int:
    """The orientation that Pillow derives from the properties irot and imir. Pillow writes it as EXIF, in place of the
    file's own EXIF. Its `getexif` would also read XMP, which turns nothing."""
    return parse_exif(picture.info.get("exif", b"")).orientation
