"""JPEG, through Pillow and libjpeg-turbo, which can decode it at a half to an eighth of its size where that suffices."""

from __future__ import annotations

from PIL.JpegImagePlugin import JpegImageFile

from device.formats.pillow import read_with
from device.image import Image, Limits, SizeRule


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    return read_with(JpegImageFile, "JPEG", data, limits, target, _ends_early)


def _ends_early(data: bytes) -> bool:
    return b"\xff\xd9" not in data[-64:]
