"""A small field on a canvas as large as the fields of its model, mirrored outwards.

A network sees nothing beyond a picture's border, and a place at the border looks otherwise than one within. Of a field of
the model's own size about a quarter of the places lie at the border; of a small one far more, so that its means are foreign
to the gate though it was made just like the others. Mirrored tissue is tissue: on the canvas as many places lie at the
border as in any field. The gate looks at all of the canvas; class maps, and with them the logits, are of the field's own
places alone.

A model that learned from small pictures, such as lone tiles of a section, knows them as they are: it gets no canvas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from device.reading.image import MULTIPLE_PX, read_size
from device.reading.manifest import Manifest

SMALL_BELOW = 2 / 3  # of the model's area
MARGIN = 4  # the pictures that a gate was calibrated on have at least so many times the pixels that it asks for
GRAIN_PX = 2 * MULTIPLE_PX  # the gate's map of foreign places has cells of two places a side


@dataclass(frozen=True)
class Canvas:
    """`pixels`: uint8 [h, w, 3], what the network gets; the field's own begin at `top`, `left` and are `height` × `width`
    large, px."""

    pixels: NDArray[np.uint8]
    top: int
    left: int
    height: int
    width: int

    def own(self, grid: NDArray[np.generic]) -> NDArray[np.generic]:
        """The field's own cells of a grid [rows, columns, …] over the canvas, whose cells' sides are a power of two px; the
        last may be shorter."""
        side = 2 ** round(log2(self.pixels.shape[0] / grid.shape[0]))
        top, left = self.top // side, self.left // side
        down, across = -(-self.height // side), -(-self.width // side)
        return np.ascontiguousarray(grid[top : top + down, left : left + across])

    def own_outputs(self, outputs: Mapping[str, NDArray[np.int8]]) -> dict[str, NDArray[np.int8]]:
        """The field's own cells of each output."""
        return {name: self.own(output).astype(np.int8, copy=False) for name, output in outputs.items()}


def knows_small_fields(manifest: Manifest) -> bool:
    """Whether a bundle's gate was calibrated on pictures with as few pixels as a small field has."""
    return MARGIN * manifest.gate.picture.min_source_px < SMALL_BELOW * manifest.preprocessing.area_px


def canvas_of(pixels: NDArray[np.uint8], area_px: int) -> Canvas | None:
    """The canvas of a field at the model's scale, its sides multiples of 32 px; None where it is no small one."""
    height, width, _ = pixels.shape
    if height * width >= SMALL_BELOW * area_px:
        return None
    wide, high = read_size(width, height, area_px)
    wide, high = max(wide, width), max(high, height)
    top, left = (high - height) // 2 // GRAIN_PX * GRAIN_PX, (wide - width) // 2 // GRAIN_PX * GRAIN_PX
    mirrored = ((top, high - height - top), (left, wide - width - left), (0, 0))
    return Canvas(np.pad(pixels, mirrored, mode="symmetric"), top, left, height, width)
