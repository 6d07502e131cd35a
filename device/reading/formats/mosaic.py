"""A large picture put together from strips and reduced on the way, so that it is never in memory at full size."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.base.errors import TooManyPixels, WholeSlide
from device.reading.decoding.memory import current_memory
from device.reading.formats.pixels import GAP, RESULT_BYTES_PER_PX
from device.reading.image import Limits, SizeRule, StatedScale

# What is read strip by strip takes time but little memory: it may have so many times the pixels of what is read whole.
MOST_TIMES = 16
# The smaller picture is in memory at once, at four bytes a pixel beside the result's three: so many times what is allowed
# for others, and no more than there is memory for.
MOST_REDUCED = 1.5
REDUCED_BYTES_PER_PX = 4
STRIPS_BYTES = 64_000_000


def refuse_without_scale(
    full: tuple[int, int], scale: StatedScale | None, target: int | SizeRule | None, limits: Limits
) -> None:
    """Raises `WholeSlide` where three things hold: a picture of `full` (width, height) is too large for one field,
    nobody gave the size of a pixel (`target` is no rule), and the file states that size. The person can then give
    it."""
    width, height = full
    if scale is not None and not callable(target) and width * height > limits.max_megapixels * 1e6:
        raise WholeSlide(width=width, height=height, um_per_px=scale.um_per_px)


def reduction(full: tuple[int, int], wanted: tuple[int, int], limits: Limits) -> int:
    """The whole number by which a picture of `full` (width, height) is reduced on the way. The result stays `GAP` times
    as large as what is `wanted`, as after the cheap first step of any other picture, or smaller where memory is
    short. Raises `TooManyPixels`."""
    width, height = full
    most = limits.max_megapixels * 1e6
    if width * height <= MOST_TIMES * most:
        for gap in (GAP, 1):
            factor = max(1, min(int(whole / part / gap) for whole, part in zip(full, wanted, strict=True)))
            reduced_px = ceil(width / factor) * ceil(height / factor)
            needed = REDUCED_BYTES_PER_PX * reduced_px + RESULT_BYTES_PER_PX * wanted[0] * wanted[1] + STRIPS_BYTES
            if reduced_px <= MOST_REDUCED * most and (gap == 1 or needed <= current_memory().most):
                return factor
    raise TooManyPixels(width=width, height=height, limit_megapixels=limits.max_megapixels)


def put_together(strips: Iterable[NDArray[np.uint8]], full: tuple[int, int], factor: int) -> PIL.Image.Image:
    """A mode RGB picture from strips uint8 [rows, width, 3], top to bottom, of a picture of `full` (width, height).
    Each `factor` × `factor` pixels become one, their mean."""
    width, height = full
    whole = PIL.Image.new("RGB", (ceil(width / factor), ceil(height / factor)))
    rest, top = np.empty((0, width, 3), np.uint8), 0
    for strip in strips:
        rows = np.concatenate([rest, strip]) if len(rest) else strip
        even = len(rows) // factor * factor
        top = _paste(whole, rows[:even], top, factor)
        rest = rows[even:]
    _paste(whole, rest, top, factor)
    return whole


def _paste(whole: PIL.Image.Image, rows: NDArray[np.uint8], top: int, factor: int) -> int:
    """Paste a strip; the row below it."""
    if not len(rows):
        return top
    part = PIL.Image.fromarray(np.ascontiguousarray(rows))
    whole.paste(part if factor == 1 else part.reduce(factor), (0, top))
    return top + ceil(len(rows) / factor)
