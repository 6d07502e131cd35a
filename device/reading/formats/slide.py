"""Slides of scanners, through OpenSlide: Hamamatsu NDPI, Ventana BIF, Leica SCN, Philips TIFF, Trestle, Sakura.

All but the last are TIFFs with a maker's own arrangement of pages; those that OpenSlide doesn't know go to `tiff`.
OpenSlide opens files by name, so the bytes get a name that exists in memory only. A slide is read strip by strip from
the level just larger than the size that is wanted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import numpy as np
import openslide
import PIL.Image
from numpy.typing import NDArray
from openslide import OpenSlide, OpenSlideError

from device.base.errors import ImageDamaged
from device.reading.formats import tiff
from device.reading.formats.mosaic import put_together, reduction, refuse_without_scale
from device.reading.formats.pixels import check_size, finish, room, wanted_size
from device.reading.formats.tiff_segments import prepare
from device.reading.image import Image, Limits, SizeRule, StatedScale

__all__ = ["prepare", "read"]

VENDORS = {
    "hamamatsu": "NDPI",
    "leica": "SCN",
    "philips": "Philips TIFF",
    "sakura": "SVSLIDE",
    "trestle": "Trestle TIFF",
    "ventana": "BIF",
}
STRIP_BYTES = 8_000_000
KEPT_TILES_BYTES = 32 << 20  # OpenSlide's own default
SAME = 0.02  # pixels count as square within this


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    with _named(data) as path:
        name = VENDORS.get(openslide.OpenSlide.detect_format(path) or "")
        if name is None:
            return tiff.read(data, limits, target)
        try:
            with OpenSlide(path) as slide:
                return _read(slide, name, limits, target)
        except OpenSlideError as failure:
            raise ImageDamaged from failure


@contextmanager
def _named(data: bytes) -> Iterator[str]:
    """A name under which the bytes can be opened for as long as this is open. They stay in memory and reach no disk."""
    descriptor = os.memfd_create("slide")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _read(slide: OpenSlide, name: str, limits: Limits, target: int | SizeRule | None) -> Image:
    width, height = slide.dimensions
    scale = _stated(slide)
    refuse_without_scale((width, height), scale, target, limits)
    check_size(width, height, limits, 0 if callable(target) else None)
    size = wanted_size(width, height, target)
    level = _level(slide, size)
    across, down = slide.level_dimensions[level]
    factor = reduction((across, down), size, limits)
    notes: list[str] = []
    with room(
        (width, height), size, _bytes_taken((across, down), factor), (ceil(across / factor), ceil(down / factor))
    ):
        picture = put_together(_strips(slide, level), (across, down), factor)
        return finish(picture, size, (width, height), name, notes, stated_um_per_px=scale, preview=True)


def _bytes_taken(level: tuple[int, int], factor: int) -> int:
    """Memory to read a level of (width, height) strip by strip: the reduced picture at four bytes a pixel, a strip with
    its copies, and the tiles that OpenSlide caches."""
    across, down = level
    level_bytes = 4 * across * down
    cached = min(KEPT_TILES_BYTES, level_bytes)
    return 4 * ceil(across / factor) * ceil(down / factor) + 4 * min(STRIP_BYTES, level_bytes) + cached


def _level(slide: OpenSlide, size: tuple[int, int]) -> int:
    """The smallest level that is at least as large as what is wanted."""
    enough = [
        level for level, (across, down) in enumerate(slide.level_dimensions) if across >= size[0] and down >= size[1]
    ]
    return max(enough, default=0)


def _strips(slide: OpenSlide, level: int) -> Iterator[NDArray[np.uint8]]:
    """A level from top to bottom, uint8 [rows, width, 3]; white where nothing was scanned."""
    across, down = slide.level_dimensions[level]
    rows = max(1, STRIP_BYTES // (4 * across))
    for top in range(0, down, rows):
        part = slide.read_region(
            (0, round(top * slide.level_downsamples[level])), level, (across, min(rows, down - top))
        )
        white = PIL.Image.new("RGBA", part.size, "white")
        yield np.asarray(PIL.Image.alpha_composite(white, part).convert("RGB"))


def _stated(slide: OpenSlide) -> StatedScale | None:
    """None where the slide states no size of a pixel, or pixels that aren't square."""
    try:
        across, down = (float(slide.properties[f"openslide.mpp-{axis}"]) for axis in "xy")
    except (KeyError, ValueError):
        return None
    if not 0 < across < float("inf") or abs(down / across - 1) > SAME:
        return None
    return StatedScale(round(across, 4), "openslide")
