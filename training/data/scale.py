"""Whether the size of a pixel that a recipe states for its network fits its pictures.

A network reads a picture at an area, `data.area_px`; how large a pixel then is, `data.um_per_px`, follows from the size of
the picture and of its pixels. A copied recipe states that of other pictures, and the box would then read at a wrong scale
whenever somebody gives the size of a pixel. A recipe that brings pictures to its scale by the size of their own pixels
(`data.brought_to`) leaves no such doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

import numpy as np

from training.data.leaks import fingerprint
from training.data.sample import Sample, mosaic_files
from training.recipe import Recipe

LOOKED_AT = 100
TOLERANCE = 1.15  # pictures of several shapes are brought to one area


def um_per_px_read(folder: Path, samples: Sequence[Sample], area_px: int) -> float | None:
    """The median size of a pixel, µm, at which a network of that area reads the samples; None where the set doesn't say."""
    chosen = samples[:: max(1, len(samples) // LOOKED_AT)]
    sizes = [(sample.um_per_px, _size(folder, sample)) for sample in chosen]
    read = [um * sqrt(size[0] * size[1] / area_px) for um, size in sizes if um is not None and size is not None]
    return float(np.median(read)) if read else None


def _size(folder: Path, sample: Sample) -> tuple[int, int] | None:
    if sample.box is not None:
        left, top, right, bottom = sample.box
        return right - left, bottom - top
    size, tiles = fingerprint(folder, sample.file).size, mosaic_files(sample)
    if size is None or not tiles:
        return size
    return size[0] * len(tiles[0]), size[1] * len(tiles)


def scale_doubt(recipe: Recipe, folder: Path, samples: Sequence[Sample]) -> str | None:
    """A sentence where the recipe's size of a pixel isn't that of its pictures, or can't be checked; None where it is."""
    if recipe.data.brought_to == "scale":
        return None
    stated, read = recipe.data.um_per_px, um_per_px_read(folder, samples, recipe.data.area_px)
    if read is not None:
        if max(stated / read, read / stated) <= TOLERANCE:
            return None
        return (
            f"data.um_per_px = {stated:g}, but these pictures, brought to data.area_px = {recipe.data.area_px}, have "
            f"{read:.3g} µm a pixel: correct one of the two"
        )
    if recipe.data.adapter != "folder":
        return None
    return (
        f"data.um_per_px = {stated:g} can't be checked, for the size of your pictures' pixels isn't known: if you know it, "
        'give it as data.options = { um_per_px = "…" }'
    )
