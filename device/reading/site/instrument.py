"""An instrument: a microscope with its camera and one objective, by the size of the pixels that they give.

It is set up once by a technician. Whoever then names it has said how large each pixel of a picture is: of a full-size
one as it was set up, of a reduced copy as much larger. A picture of another shape is no copy of a full-size one (it was
cropped, or another camera took it), so nothing says how large its pixels are.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from device.base.errors import InstrumentOtherShape
from device.base.records import Record

# From a scanner's finest pixel to a mammogram's coarsest thumbnail, µm.
LOWEST_UM_PER_PX, HIGHEST_UM_PER_PX = 0.05, 2000
MOST_SIDE_PX = 100_000
MOST_NAME = 60  # characters
SHAPE_TOLERANCE = 0.02  # of the ratio of the sides: a small copy's sides are rounded to whole pixels

UmPerPx: TypeAlias = Annotated[float, Meta(ge=LOWEST_UM_PER_PX, le=HIGHEST_UM_PER_PX)]
Side: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_SIDE_PX)]
Level: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
HowKnown: TypeAlias = Literal["micrometer", "file", "typed"]


class Instrument(Record, frozen=True, kw_only=True):
    """`um_per_px` is of a full-size picture, `width_px` × `height_px` large (0: pictures of any size have such pixels).
    `white`: the colour of empty glass, red, green, blue. `how` the size of a pixel is known."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=MOST_NAME, pattern=r"^[^\u0000-\u001f\u007f-\u009f]+\Z")]
    um_per_px: UmPerPx
    width_px: Side = 0
    height_px: Side = 0
    white: tuple[Level, Level, Level] | None = None
    how: HowKnown = "typed"

    def um_per_px_of(self, width: int, height: int) -> float:
        """The size of a pixel of a picture of `width` × `height` px, upright or turned, µm. Raises
        `InstrumentOtherShape`."""
        if not self.width_px or not self.height_px:
            return self.um_per_px
        full, sent = sorted((self.width_px, self.height_px)), sorted((width, height))
        if abs(full[0] * sent[1] / (full[1] * sent[0]) - 1) > SHAPE_TOLERANCE:
            raise InstrumentOtherShape(
                instrument=self.name,
                width=width,
                height=height,
                full_width=self.width_px,
                full_height=self.height_px,
            )
        return self.um_per_px * sqrt(self.width_px * self.height_px / (width * height))
