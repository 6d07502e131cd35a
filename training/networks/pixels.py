"""How pixels go into every network: (x − 127) / 128, which an integer input represents exactly as the uint8 itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


def scale_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 pixels, any shape → what a network takes."""
    return (pixels.astype(np.float32) - PIXEL_MEAN) / PIXEL_SCALE
