"""Proper pictures as they would look at another magnification, for the gate to learn from.

Larger: a piece out of the middle, enlarged. Smaller: the picture reduced and laid out with its mirror images until the
field is full again, as nobody has the tissue around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.Image import Resampling

RATIOS = (1 / 4, 1 / 3, 1 / 2, 2**-0.5, 1.0, 2**0.5, 2.0, 3.0, 4.0)


def magnified(pixels: NDArray[np.uint8], ratio: float, width: int, height: int) -> NDArray[np.uint8]:
    """uint8 pixels [h, w, 3], at the file's own size → [height, width, 3] with structures `ratio` times as large."""
    rows, columns, _ = pixels.shape
    if ratio >= 1:
        down, across = round(rows / ratio), round(columns / ratio)
        top, left = (rows - down) // 2, (columns - across) // 2
        piece = Pillow.fromarray(pixels[top : top + down, left : left + across])
        return np.asarray(piece.resize((width, height), Resampling.LANCZOS))
    small = Pillow.fromarray(pixels).resize((round(width * ratio), round(height * ratio)), Resampling.LANCZOS)
    tile = np.asarray(small)
    beyond = ((0, height - tile.shape[0]), (0, width - tile.shape[1]), (0, 0))
    return np.pad(tile, beyond, mode="symmetric")
