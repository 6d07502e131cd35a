"""Reading a clinic's picture for its means (`device/reading/site/records.py`), in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from device.reading.gate import LAYERS, MADE, PICTURE_REASONS, SHOWS, cells, coarse, mean_of
from device.reading.reading import PixelSize, Reader
from device.reading.site.records import PictureMeans
from device.reading.tissue import is_tissue

COLOUR_STEP = 2  # every second pixel, on either side, has its say in the colours
LEAST_TISSUE_PX = 64


def statistics_of(
    reader: Reader, data: bytes, um_per_px: PixelSize | None, stop: Callable[[], bool] | None = None
) -> PictureMeans:
    """The means of a picture file, read by a reader that is not commissioned; at the model's own scale where the size of
    its pixels is given. Raises as `Reader.read` does."""
    outputs = reader.bundle.manifest.network.outputs
    means: dict[str, list[NDArray[np.float64]]] = {question: [] for question in LAYERS}
    some: list[NDArray[np.float32]] = []

    def seen(layers: Mapping[str, NDArray[np.int8]]) -> None:
        for question, name in LAYERS.items():
            grid = cells(layers[name], outputs[name].zero_point)
            means[question].append(mean_of(grid, outputs[name].scale))
            if question == MADE:
                some.append(coarse(grid, outputs[name].scale).reshape(-1, grid.shape[-1]).astype(np.float32))

    reading = reader.read(data, um_per_px, stop, seen=seen)
    density, spread = density_of(reading.image.pixels)
    return PictureMeans(
        reason=reading.verdict.reason,
        judgeable=reading.verdict.answers != () and reading.verdict.reason not in PICTURE_REASONS,
        early=np.array(means[MADE]).reshape(-1, outputs[LAYERS[MADE]].channels),
        middle=np.array(means[SHOWS]).reshape(-1, outputs[LAYERS[SHOWS]].channels),
        cells=np.concatenate(some) if some else np.zeros((0, outputs[LAYERS[MADE]].channels), np.float32),
        logits=reading.maps.logits,
        density=density,
        density_spread=spread,
    )


def density_of(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [3] and covariance [3, 3] of the tissue's optical density in uint8 pixels [h, w, 3]; NaN where there is none."""
    thinned = pixels[::COLOUR_STEP, ::COLOUR_STEP]
    tissue = thinned[is_tissue(thinned)]
    if len(tissue) < LEAST_TISSUE_PX:
        return np.full(3, np.nan), np.full((3, 3), np.nan)
    density = -np.log10((tissue.astype(np.float64) + 1) / 256)
    return density.mean(0), np.cov(density.T)
