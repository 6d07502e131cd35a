"""The white of an instrument: the colour in which its camera shows empty glass, where nothing but the lamp is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.base.errors import NotGlass, Phrase
from device.reading.image import Limits, decode

LONGEST_PX = 512
DARKEST, BRIGHTEST = 90, 252  # of the brightest channel's median
LEAST_BALANCE = 0.5  # of the weakest channel's median over the strongest's
OUTLYING = 0.12  # of the light: how far a pixel of empty glass, with the lamp's own fall to the corners, lies from it
MOST_OUTLYING = 0.03  # share of pixels: dust lies on any slide


@dataclass(frozen=True)
class Glass:
    """A photo of empty glass: its size, px, and its median colour, 0 to 255."""

    width: int
    height: int
    white: tuple[int, int, int]


def measure_glass(data: bytes, limits: Limits, stop: Callable[[], bool] | None = None) -> Glass:
    """The white in the photo of a file. Raises the `ImageError` that a reading would, and `NotGlass`."""
    image = decode(data, limits, _small, stop=stop)
    return Glass(image.width, image.height, white_of(image.pixels))


def white_of(pixels: NDArray[np.uint8]) -> tuple[int, int, int]:
    """The colour of empty glass, from uint8 pixels [h, w, 3]. Raises `NotGlass`."""
    median = np.median(pixels.reshape(-1, 3), axis=0)
    if median.max() < DARKEST:
        raise NotGlass(reason=Phrase("glass_dark"))
    if median.max() > BRIGHTEST:
        raise NotGlass(reason=Phrase("glass_bright"))
    if median.min() < LEAST_BALANCE * median.max():
        raise NotGlass(reason=Phrase("glass_coloured"))
    light = pixels / np.maximum(_lamp(pixels), 1)
    if float((np.abs(light - 1).max(2) > OUTLYING).mean()) > MOST_OUTLYING:
        raise NotGlass(reason=Phrase("glass_not_empty"))
    red, green, blue = (round(float(level)) for level in median)
    return red, green, blue


def _lamp(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The lamp's light as it falls off smoothly: of each channel the plane with a bend that fits best, float64
    [h, w, 3]."""
    height, width, _ = pixels.shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], 2).reshape(-1, 6)
    fitted, *_ = np.linalg.lstsq(terms, pixels.reshape(-1, 3).astype(np.float64), rcond=None)
    return np.asarray((terms @ fitted).reshape(height, width, 3))


def _small(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, LONGEST_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
