"""WebP, through Pillow and libwebp."""

from __future__ import annotations

from PIL.WebPImagePlugin import WebPImageFile

from device.formats.pillow import read_with
from device.image import Image, Limits, SizeRule


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    return read_with(WebPImageFile, "WebP", data, limits, target, _ends_early)


def _ends_early(data: bytes) -> bool:
    return len(data) < 8 + int.from_bytes(data[4:8], "little")
