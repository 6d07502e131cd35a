"""What EXIF says of a picture: which way up it is, and how large its pixels are.

A picture is turned by the same tag as in browsers, so that map and picture fit: Orientation in the first directory, one
value of type SHORT. XMP and vendors' notes turn nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
SHORT, RATIONAL = 3, 5
MOST_ENTRIES = 1000


@dataclass(frozen=True)
class Exif:
    """`orientation` 1 to 8, 1 where none is stated; `resolution`: pixels a unit across and down, and the unit (2 inch, 3
    cm), None where incomplete."""

    orientation: int = 1
    resolution: tuple[float, float, int] | None = None


def parse_exif(data: bytes) -> Exif:
    """Reads the EXIF block of a JPEG, PNG or WebP, which is a TIFF directory. Invalid values count as not stated."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return Exif()
    try:
        return _first_directory(data, order)
    except struct.error:  # it ends before it should
        return Exif()


def _first_directory(data: bytes, order: str) -> Exif:
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    orientation, unit = 1, 2
    resolutions: dict[int, float] = {}
    for entry in range(start + 2, start + 2 + 12 * min(count, MOST_ENTRIES), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, entry)
        if values != 1:
            continue
        if kind == SHORT and tag in (ORIENTATION, RESOLUTION_UNIT):
            (value,) = struct.unpack_from(f"{order}H", data, entry + 8)
            if tag == RESOLUTION_UNIT:
                unit = value
            elif 1 <= value <= 8:
                orientation = value
        elif kind == RATIONAL and tag in (X_RESOLUTION, Y_RESOLUTION):
            (place,) = struct.unpack_from(f"{order}I", data, entry + 8)
            if place + 8 <= len(data):
                above, below = struct.unpack_from(f"{order}II", data, place)
                resolutions[tag] = above / below if below else 0.0
    across, down = resolutions.get(X_RESOLUTION), resolutions.get(Y_RESOLUTION)
    return Exif(orientation, (across, down, unit) if across and down else None)
