"""The size of pixels that a file states, and whether that size is possible.

Cameras and programs write 72, 96, 150 or 300 dots per inch where they know nothing, and confuse inch and centimetre. A
size between `LEAST_UM_PER_PX` and `MOST_UM_PER_PX` comes from a microscope or a scanner: in dots per inch it would be
above 2,540, which no such habit reaches. The size is offered to a person, and never used unasked.
"""

from __future__ import annotations

from math import isfinite

from device.reading.image import StatedScale

LEAST_UM_PER_PX, MOST_UM_PER_PX = 0.05, 10.0
MOST_STRETCHED = 1.02  # pixels of microscopes are square; where the file says otherwise, it doesn't know
UM_PER_UNIT = {2: 25_400.0, 3: 10_000.0}  # TIFF's and EXIF's units of resolution: inch, centimetre


def stated_scale(across: float | None, down: float | None, source: str) -> StatedScale | None:
    """The size of a pixel, µm, across and down, as one scale; None where it can't be a microscope's."""
    if not across or not down or not isfinite(across) or not isfinite(down):
        return None
    if not 1 / MOST_STRETCHED <= across / down <= MOST_STRETCHED:
        return None
    um_per_px = round((across + down) / 2, 6)
    return StatedScale(um_per_px, source) if LEAST_UM_PER_PX <= um_per_px <= MOST_UM_PER_PX else None


def scale_of_resolution(resolution: tuple[float, float, int] | None, source: str) -> StatedScale | None:
    """The same from pixels a unit, across and down, and TIFF's code of the unit (2 inch, 3 centimetre)."""
    if resolution is None or resolution[2] not in UM_PER_UNIT or min(resolution[:2]) <= 0:
        return None
    um = UM_PER_UNIT[resolution[2]]
    return stated_scale(um / resolution[0], um / resolution[1], source)
