"""PNG, through Pillow."""

from __future__ import annotations

from PIL.PngImagePlugin import PngImageFile

from device.formats.pillow import read_with
from device.image import Image, Limits, SizeRule


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    return read_with(PngImageFile, "PNG", data, limits, target, lambda data: b"IEND" not in data[-64:])
