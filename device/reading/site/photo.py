"""What a photo tells of the instrument that took it: one of a micrometer, of empty glass, or any with words of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from device.base.errors import PixelSizeUnstated
from device.reading.image import Limits, StatedScale, decode
from device.reading.preview import fitting
from device.reading.site.glass import Glass, measure_glass
from device.reading.site.micrometer import Marks, measure_marks


@dataclass(frozen=True)
class Statement:
    """What a file states of its own pixels, and its picture's size, px."""

    width: int
    height: int
    stated: StatedScale


def read_statement(data: bytes, limits: Limits, stop: Callable[[], bool] | None = None) -> Statement:
    """Raises the `ImageError` that a reading would, and `PixelSizeUnstated`."""
    image = decode(data, limits, fitting, stop=stop)
    if image.stated_um_per_px is None:
        raise PixelSizeUnstated()
    return Statement(image.width, image.height, image.stated_um_per_px)


Measurement: TypeAlias = Marks | Glass | Statement
# What can be measured, by the last part of its address (`device/web/views/instruments.py`).
MEASUREMENTS: Mapping[str, Callable[[bytes, Limits, Callable[[], bool] | None], Measurement]] = {
    "marks": measure_marks,
    "glass": measure_glass,
    "pixel-size": read_statement,
}
