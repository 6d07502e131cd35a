"""What kind of picture a refused picture's own colours show, so that the words of a refusal don't contradict them.

Colours accept and refuse nothing: they only choose the words. A grey picture is no section stained with
haematoxylin and eosin, a coloured one no mammogram; brown beside blue is what an immunostain shows (DAB and haematoxylin).
The limits were set on one half of the sets that `loupe-train colours` reads and measured on the other
(`docs/researchers/ood.md`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOOKED_AT_PX = 4_000  # about so many pixels, evenly spread, are looked at
WHITE = 230  # grey level: what is brighter in all channels is glass or paper
# Of the pixels that aren't white. With fewer, or where brightness hardly varies, the picture has no kind.
LEAST_SHARE = 0.01
FLAT_BELOW = 3.0  # grey levels
ONE_TONE_BELOW = 0.02  # what brightness alone leaves of the colours, over the brightest channel's mean
BROWN_DENSITY = 0.45  # optical density in the blue channel, where DAB absorbs most
LEAST_HUE = 0.08  # difference of optical densities below which a pixel has no hue
BROWN_SHARE = 0.002  # of the pixels
STRANGE_DENSITY = 0.15  # that no mixture of DAB and haematoxylin explains
STRANGE_SHARE = 0.01

DENSITY = -np.log10((np.arange(256, dtype=np.float32) + 1) / 256)
# Ruifrok and Johnston 2001 (Analytical and Quantitative Cytology and Histology 23): red, green, blue.
HAEMATOXYLIN, DAB = np.array([0.650, 0.704, 0.286]), np.array([0.269, 0.568, 0.778])
NEITHER = np.cross(HAEMATOXYLIN, DAB) / np.linalg.norm(np.cross(HAEMATOXYLIN, DAB))
UNMIXING = np.linalg.inv(np.stack([HAEMATOXYLIN, DAB, NEITHER], 1)).astype(np.float32)


@dataclass(frozen=True)
class Colours:
    """`grey`: shades of one tone; `coloured`: more than one; neither where the picture is too even to tell.
    `immunostain`: brown beside what haematoxylin stains, and hardly another colour."""

    grey: bool
    coloured: bool
    immunostain: bool


def colours_of(pixels: NDArray[np.uint8]) -> Colours:
    """The colours of uint8 pixels [h, w, 3]."""
    height, width, _ = pixels.shape
    step = max(1, round((height * width / LOOKED_AT_PX) ** 0.5))
    planes = np.ascontiguousarray(pixels[::step, ::step].reshape(-1, 3).T)
    levels = planes[:, planes.min(0) < WHITE].astype(np.float32)
    brightness = levels.mean(0)
    if levels.shape[1] < LEAST_SHARE * planes.shape[1] or brightness.std() < FLAT_BELOW:
        return Colours(grey=False, coloured=False, immunostain=False)
    grey = _beside_brightness(levels, brightness) < ONE_TONE_BELOW * float(levels.mean(1).max())
    return Colours(grey=grey, coloured=not grey, immunostain=not grey and _is_immunostain(planes))


def _beside_brightness(levels: NDArray[np.float32], brightness: NDArray[np.float32]) -> float:
    """How far red and blue lie from green, grey levels, beyond what a curve over brightness explains: 0 for grey and for a
    picture in one tint."""
    shade = brightness / 255
    curve = np.stack([np.ones_like(shade), shade, shade * shade])
    differences = levels[::2] - levels[1]
    left = differences - (differences @ curve.T) @ np.linalg.pinv(curve @ curve.T) @ curve
    return float(np.sqrt((left * left).mean(1).max()))


def _is_immunostain(planes: NDArray[np.uint8]) -> bool:
    density = DENSITY[planes]
    red, green, blue = density
    hue = density.max(0) - density.min(0)
    brown = (blue > BROWN_DENSITY) & (hue > LEAST_HUE) & (green > red)
    brown &= (green - red > 0.3 * (blue - red)) & (blue - green > 0.2 * hue)
    if brown.mean() < BROWN_SHARE:
        return False
    haematoxylin, dab, neither = UNMIXING @ density
    strange = (np.abs(neither) > STRANGE_DENSITY) | (np.minimum(haematoxylin, dab) < -STRANGE_DENSITY)
    return bool(strange.mean() <= STRANGE_SHARE)
