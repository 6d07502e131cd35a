"""The class map drawn over the picture, for the command line, in the colours of the page (`device/static/colours.js`).

The scale is fixed by the bundle (±`limit` logit units), never stretched to a picture's own range, and places with little
evidence are left as they are. Blue speaks against the class, vermilion for it: told apart with any common colour vision
(Okabe and Ito 2008); both grow darker and more opaque with strength.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.bundle import Bundle
from device.reading import Reading

AGAINST_RGB = np.array([[86, 180, 233], [0, 62, 130]])  # weak, strong
FOR_RGB = np.array([[245, 158, 66], [176, 42, 0]])
OPACITY = np.array([0.45, 0.95])
# The page's slider for the overlay starts here.
STRENGTH_OF_OVERLAY = 0.6


def draw_overlay(reading: Reading, bundle: Bundle, label: int) -> Pillow.Image:
    """The picture at the scale that was read with the map of class number `label` on it."""
    rules = bundle.manifest["explanation"]
    limit, blank_below = rules["limit"], rules["blank_below"]
    pixels = reading.image.pixels
    size = (pixels.shape[1], pixels.shape[0])
    evidence = Pillow.fromarray(reading.maps.values[..., label].astype(np.float32))
    values: NDArray[np.float32] = np.asarray(evidence.resize(size, Pillow.Resampling.BILINEAR))
    strength = np.clip((np.abs(values) - blank_below) / (limit - blank_below), 0, 1)[..., None]

    def mix(ends: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(ends[0] + (ends[1] - ends[0]) * strength)

    colour = np.where((values > 0)[..., None], mix(FOR_RGB), mix(AGAINST_RGB))
    opacity = mix(OPACITY) * STRENGTH_OF_OVERLAY * (np.abs(values) >= blank_below)[..., None]
    return Pillow.fromarray((pixels * (1 - opacity) + colour * opacity).round().astype(np.uint8))
