"""The class map drawn over the picture, for the command line. The page draws its own from the numbers.

The scale is fixed by the bundle (±`limit` logit units), never stretched to a picture's own range, and places with little
evidence are left as they are. Blue speaks against the class, orange for it: told apart by people with any common
colour vision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.bundle import Bundle
from device.reading import Reading

AGAINST_RGB, FOR_RGB = (0, 90, 181), (230, 97, 0)
STRONGEST = 0.75


def draw_overlay(reading: Reading, bundle: Bundle, label: int) -> Pillow.Image:
    """The picture at the scale that was read with the map of class number `label` on it."""
    rules = bundle.manifest["explanation"]
    pixels = reading.image.pixels
    size = (pixels.shape[1], pixels.shape[0])
    evidence = Pillow.fromarray(reading.maps.values[..., label].astype(np.float32)).resize(
        size, Pillow.Resampling.BILINEAR
    )
    values: NDArray[np.float32] = np.asarray(evidence)
    strength = np.clip(np.abs(values) / rules["limit"], 0, 1) * STRONGEST
    strength[np.abs(values) < rules["blank_below"]] = 0
    colour = np.where((values > 0)[..., None], FOR_RGB, AGAINST_RGB)
    mixed = pixels * (1 - strength[..., None]) + colour * strength[..., None]
    return Pillow.fromarray(mixed.round().astype(np.uint8))
