"""Mosaics: fields into which a part of a field of another class was pasted, so that where and how large it is is known.

The part is a rectangle of the field's shape, at a random place, cut from a random place of the other field at the same
scale. Its edge may be hard or soft, its stain its own or brought to the field's (means and deviations of the channels'
optical densities, after Reinhard et al. 2001), so that neither a seam nor a colour alone gives it away. That a part of a
field shows what the field is called by is not certain: a corner of a field of carcinoma may have none in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
SOFT_PX = 16  # of the pixels that the network sees, over which a soft edge goes from one field to the other
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Edge:
    """How a part is joined to its field."""

    name: str
    soft_px: int
    matched: bool


EDGES = (Edge("hard", 0, False), Edge("soft", SOFT_PX, False), Edge("soft, stain matched", SOFT_PX, True))


@dataclass(frozen=True)
class Mosaic:
    """`pixels` uint8 [h, w, 3]; `box`: (top, left, bottom, right) of the part, px."""

    pixels: Pixels
    box: tuple[int, int, int, int]


def paste(field: Pixels, other: Pixels, share: float, edge: Edge, chance: np.random.Generator) -> Mosaic:
    """A field, uint8 [h, w, 3], with a part of another of about `share` of its area. The part is smaller where the other
    field is too small for it."""
    height, width = (
        min(round(side * share**0.5), length) for side, length in zip(field.shape[:2], other.shape[:2], strict=True)
    )
    top, left = _place(field, height, width, chance)
    from_top, from_left = _place(other, height, width, chance)
    part = other[from_top : from_top + height, from_left : from_left + width]
    if edge.matched:
        part = match_stain(part, other, field)
    pixels = field.copy()
    inside = pixels[top : top + height, left : left + width]
    weight = _weight(height, width, edge.soft_px)[..., None]
    inside[:] = np.rint(weight * part + (1 - weight) * inside).astype(np.uint8)
    return Mosaic(pixels, (top, left, top + height, left + width))


def _place(pixels: Pixels, height: int, width: int, chance: np.random.Generator) -> tuple[int, int]:
    rows, columns, _ = pixels.shape
    return int(chance.integers(rows - height + 1)), int(chance.integers(columns - width + 1))


def _weight(height: int, width: int, soft_px: int) -> NDArray[np.float32]:
    """1 inside, falling to the edge over `soft_px`: float32 [h, w]."""

    def ramp(length: int) -> NDArray[np.float32]:
        to_edge = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
        return np.minimum(1, to_edge / max(soft_px, 0.5)).astype(np.float32)

    return np.minimum.outer(ramp(height), ramp(width))


def match_stain(part: Pixels, of: Pixels, like: Pixels) -> Pixels:
    """A part of the picture `of`, with each channel's optical density moved and stretched as it takes to give the whole of
    `of` the mean and deviation of `like`: uint8 [h, w, 3]. A density depends on a grey level alone: there are 256."""
    levels = -np.log10(np.maximum(np.arange(256), 1) / 255)
    matched = np.empty_like(part)
    for channel in range(3):
        mean, spread = _moments(of[..., channel], levels)
        wanted_mean, wanted_spread = _moments(like[..., channel], levels)
        moved = (levels - mean) * (wanted_spread / max(spread, 1e-6)) + wanted_mean
        matched[..., channel] = np.clip(np.rint(255 * 10**-moved), 0, 255).astype(np.uint8)[part[..., channel]]
    return matched


def _moments(grey: NDArray[np.uint8], levels: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and deviation of what grey levels, uint8 [h, w], stand for."""
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    mean = float(share @ levels)
    return mean, float(np.sqrt(share @ (levels - mean) ** 2))


def touches(box: Sequence[int], row: float, column: float) -> bool:
    """Whether a place, px, lies in a box (top, left, bottom, right)."""
    top, left, bottom, right = box
    return bool(top <= row < bottom and left <= column < right)
