"""How much light the tissue of a picture absorbs, and a correction of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.base.records import Record
from device.reading.manifest import COLOURS
from device.reading.tissue import is_tissue

COLOUR_STEP = 3  # every third pixel, on either side, has its say in the colours
LEAST_TISSUE_PX = 64
LEAST_DENSITY = 1e-3
STAINED = "histology"


def density_of(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Optical density [n, 3] of the tissue in uint8 pixels [h, w, 3], red, green, blue."""
    thinned = pixels[::COLOUR_STEP, ::COLOUR_STEP]
    return np.asarray(-np.log10((thinned[is_tissue(thinned)].astype(np.float64) + 1) / 256))


def colours_of_tissue(pixels: NDArray[np.uint8], modality: str) -> NDArray[np.float64]:
    """The colours of uint8 pixels [h, w, 3] as a row [9]: of the tissue's optical density the mean and the spread, both as
    logarithms, and how its three channels go together (Fisher's z). Without tissue that of the palest. Zeros where the
    modality is grey: there the only colours are marks in some pictures."""
    if modality != STAINED:
        return np.zeros(COLOURS)
    density = density_of(pixels)
    if len(density) < LEAST_TISSUE_PX:
        density = np.full((2, 3), LEAST_DENSITY)
    spread = np.maximum(density.std(0), LEAST_DENSITY)
    apart = density - density.mean(0)
    pairs = ((apart[:, [0, 0, 1]] * apart[:, [1, 2, 2]]).mean(0)) / (spread[[0, 0, 1]] * spread[[1, 2, 2]])
    means = np.maximum(density.mean(0), LEAST_DENSITY)
    return np.concatenate([np.log(means), np.log(spread), np.arctanh(np.clip(pairs, -0.999, 0.999))])


class SiteColour(Record, frozen=True):
    """What a clinic's colours are brought to the model's with: `white` is the clinic's empty glass, 0…255, `gain` a factor
    of what each channel's optical density against it is; both red, green, blue."""

    white: tuple[float, float, float]
    gain: tuple[float, float, float]

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 pixels [h, w, 3] → as the model's laboratory would have made them."""
        levels = np.arange(256)[:, None]
        density = np.maximum(0, -np.log10((levels + 1) / (np.array(self.white) + 1))) * np.array(self.gain)
        table = np.clip(np.rint(256 * 10**-density - 1), 0, 255).astype(np.uint8)
        return np.stack([table[pixels[..., channel], channel] for channel in range(3)], -1)
