"""Where a picture shows tissue and where bare glass.

A pixel is tissue when it absorbs light in at least one channel. Glass is no evidence about tissue, but a network's features
are not zero there. So a model may leave glass out of the mean that makes a logit (`device/reading/maps.py`), and a
section's cell of bare glass is not read (`device/reading/sections.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.reading.image import MULTIPLE_PX

TISSUE_DENSITY = 0.15  # optical density against white
TISSUE_BELOW = 255 * 10**-TISSUE_DENSITY  # of a pixel's darkest channel
GLASS_BELOW = 0.02  # share of a place that is tissue; tiles that pathologists labelled have 0.05 and more
EVERYWHERE, TISSUE = "everywhere", "tissue"  # which places of a picture make a logit
BLOCK_PX = MULTIPLE_PX  # a block of a picture is a place of the coarsest map, or several of a finer one


def is_tissue(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of uint8 pixels [h, w, 3]: bool [h, w]."""
    red, green, blue = pixels.transpose(2, 0, 1)
    return np.asarray(np.minimum(np.minimum(red, green), blue) < TISSUE_BELOW)


def counted_places(counts: str, pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.bool_]:
    """Which places of a map of uint8 pixels [h, w, 3], sides multiples of 32, make a logit: bool [rows, columns]. Where
    `counts` is `tissue`, those in a block of 32 px that holds some; all, where no block does."""
    if counts != TISSUE:
        return np.ones((rows, columns), bool)
    height, width, _ = pixels.shape
    down, across = height // BLOCK_PX, width // BLOCK_PX
    blocks = is_tissue(pixels).reshape(down, BLOCK_PX, across, BLOCK_PX).mean((1, 3)) >= GLASS_BELOW
    places = blocks[np.ix_(np.arange(rows) * down // rows, np.arange(columns) * across // columns)]
    return np.asarray(places | (not blocks.any()))
