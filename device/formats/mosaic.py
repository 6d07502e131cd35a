"""A large picture put together from strips of it, made smaller on the way: the whole is never in memory at full size."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.formats.pixels import GAP


def reduction(full: tuple[int, int], wanted: tuple[int, int]) -> int:
    """By which whole number a picture of `full` (width, height) can be made smaller and still be `GAP` times as large as
    what is `wanted`, as the cheap first step of any other picture leaves it."""
    return max(1, min(int(whole / part / GAP) for whole, part in zip(full, wanted, strict=True)))


def put_together(strips: Iterable[NDArray[np.uint8]], full: tuple[int, int], factor: int) -> PIL.Image.Image:
    """Strips uint8 [rows, width, 3] from top to bottom of a picture of `full` (width, height), each `factor` × `factor`
    pixels averaged to one. A mode RGB picture."""
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
    """The row below what was pasted."""
    if not len(rows):
        return top
    part = PIL.Image.fromarray(np.ascontiguousarray(rows))
    whole.paste(part if factor == 1 else part.reduce(factor), (0, top))
    return top + ceil(len(rows) / factor)
