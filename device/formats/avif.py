"""AVIF, through Pillow and libavif: turned as its own properties say; EXIF's orientation means nothing beside them."""

from __future__ import annotations

from PIL.AvifImagePlugin import AvifImageFile
from PIL.ImageFile import ImageFile

from device.formats.boxes import ends_early
from device.formats.exif import parse_exif
from device.formats.pillow import read_with
from device.image import Image, Limits, SizeRule


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    return read_with(
        AvifImageFile,
        "AVIF",
        data,
        limits,
        target,
        ends_early=ends_early,
        orientation=_orientation,
        work_bytes_per_px=8,
    )


def _orientation(picture: ImageFile) -> int:
    """What Pillow makes of the properties irot and imir: it words them as EXIF, in place of what EXIF says in the file. Its
    own `getexif` would ask XMP too, which turns nothing."""
    return parse_exif(picture.info.get("exif", b"")).orientation
