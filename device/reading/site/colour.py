"""One correction of a clinic's colours, found once for all its pictures.

Laboratories stain more or less strongly, and cameras and lamps differ. So a clinic's pictures get one gain for each colour,
on the optical density, which brings the mean of the clinic's tissue half the way to that of the laboratory where the model
learnt: some clinics' readings gain by it and some lose, and the whole way loses more than it gains
(`docs/researchers/commissioning.md`). It is found from many patients, and stays: a gain for each picture would make foreign
pictures look proper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from device.reading.bundle import Bundle
from device.reading.image import decode
from device.reading.reading import PixelSize, Reader, at_known_scale, size_for, target_of
from device.reading.site.stain import LEAST_DENSITY, LEAST_TISSUE_PX, SiteColour, density_of

WAY = 0.5  # of the way to the laboratory's density, as a power of the gain
LEAST_GAIN, MOST_GAIN = 0.5, 2.0  # beyond, the pictures aren't of the stain that the model knows
WHITE = (255.0, 255.0, 255.0)


@dataclass(frozen=True)
class Stain:
    """The mean [3] of the optical density of a picture's tissue; None where it has none."""

    density: NDArray[np.float64] | None


def needs_colour(bundle: Bundle) -> bool:
    """Whether a clinic's colours are to be brought to those of the bundle's laboratory."""
    return _reference(bundle) is not None


def _reference(bundle: Bundle) -> tuple[float, float, float] | None:
    """The mean density of the laboratory's tissue, where the bundle has it."""
    site = bundle.manifest.site
    return None if site is UNSET or site.density is UNSET else site.density


def stain_of(reader: Reader, data: bytes, um_per_px: PixelSize | None, stop: Callable[[], bool] | None = None) -> Stain:
    """The stain of a picture file, which is decoded and not read. Raises as `Reader.read` does."""
    size = size_for(reader.bundle, um_per_px)
    limits = reader.limits if size is None else at_known_scale(reader.limits)
    image = decode(data, limits, target_of(reader.bundle, limits, size), stop=stop)
    density = density_of(image.pixels)
    return Stain(density.mean(0) if len(density) >= LEAST_TISSUE_PX else None)


def fit_colour(
    bundle: Bundle,
    stains: Sequence[Stain],
    patients: Sequence[str],
    white: tuple[int, int, int] | None = None,
) -> SiteColour | None:
    """The clinic's correction, from the stain of each of its pictures and whose patient it is: each patient counts alike.
    `white`: the instrument's. None where the bundle has no reference or the clinic no tissue."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for stain, patient in zip(stains, patients, strict=True):
        if stain.density is not None:
            found.setdefault(patient, []).append(stain.density)
    reference = _reference(bundle)
    if reference is None or not found:
        return None
    glass = tuple(float(level) for level in white) if white else WHITE
    against_white = np.log10((np.array(glass) + 1) / 256)  # density of the glass, below that of the tissue
    here = np.mean([np.mean(of_patient, 0) for of_patient in found.values()], 0) + against_white
    gain = np.clip((np.array(reference) / np.maximum(here, LEAST_DENSITY)) ** WAY, LEAST_GAIN, MOST_GAIN)
    red, green, blue = (round(float(each), 4) for each in gain)
    return SiteColour((glass[0], glass[1], glass[2]), (red, green, blue))
