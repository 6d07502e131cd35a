"""BMP, through Pillow."""

from __future__ import annotations

from PIL.BmpImagePlugin import BmpImageFile

from device.formats.pillow import read_with
from device.image import Image, Limits, SizeRule


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    return read_with(BmpImageFile, "BMP", data, limits, target, _ends_early)


def _ends_early(data: bytes) -> bool:
    return len(data) < int.from_bytes(data[2:6], "little")
