"""BMP, through Pillow."""

from __future__ import annotations

import struct
from io import BytesIO

from PIL.BmpImagePlugin import BmpImageFile

from device.base.errors import CompressionNotRead
from device.reading.formats.pillow import read_with
from device.reading.formats.scale import stated_scale
from device.reading.image import Image, Limits, SizeRule, StatedScale

# Run-length codes of 8 and 4 bits, which Pillow decodes by a loop of its own, slowly.
RUN_LENGTHS = (1, 2)
MOST_RUN_LENGTH_PX = 2_000_000


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    if len(data) >= 34:
        width, height, _, compression = struct.unpack_from("<iiII", data, 18)
        if compression in RUN_LENGTHS and abs(width * height) > MOST_RUN_LENGTH_PX:
            raise CompressionNotRead(format="BMP", compression="RLE")
    return read_with(
        BmpImageFile,
        "BMP",
        BytesIO(data),
        limits,
        target,
        ends_early=lambda: _ends_early(data),
        stated_um_per_px=_stated(data),
    )


def _stated(data: bytes) -> StatedScale | None:
    """The header gives pixels a metre, across and down, after the size of the pixel data."""
    if len(data) < 46:
        return None
    across, down = struct.unpack_from("<ii", data, 38)
    return stated_scale(1e6 / across, 1e6 / down, "resolution") if across > 0 and down > 0 else None


def _ends_early(data: bytes) -> bool:
    return len(data) < int.from_bytes(data[2:6], "little")
