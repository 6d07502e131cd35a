"""Reading a clinic's picture for its means (`device/reading/site/records.py`), in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from device.reading.gate import LAYERS, MADE, PICTURE_REASONS, SHOWS, cells, coarse, mean_of
from device.reading.reading import PixelSize, Reader
from device.reading.site.records import PictureMeans
from device.reading.site.spaces import Rows
from device.reading.site.stain import SiteColour, colours_of_tissue

MOST_WINDOWS = 8  # of a section have their say, evenly spread: its patient is one, however large it is


def statistics_of(
    reader: Reader, data: bytes, um_per_px: PixelSize | None, stop: Callable[[], bool] | None = None
) -> PictureMeans:
    """The means of a picture file, read by a reader that is not commissioned, but may have the clinic's colours (the
    `reason` is then not yet that of the picture as it came); at the model's own scale where the size of its pixels is
    given. Raises as `Reader.read` does."""
    outputs = reader.bundle.manifest.network.outputs
    means: dict[str, list[NDArray[np.float64]]] = {question: [] for question in LAYERS}
    colours: list[NDArray[np.float64]] = []
    some: list[NDArray[np.float32]] = []

    def seen(pixels: NDArray[np.uint8], layers: Mapping[str, NDArray[np.int8]]) -> None:
        for question, name in LAYERS.items():
            grid = cells(layers[name], outputs[name].zero_point)
            means[question].append(mean_of(grid, outputs[name].scale))
            if question == MADE:
                some.append(coarse(grid, outputs[name].scale).reshape(-1, grid.shape[-1]).astype(np.float32))
        colours.append(colours_of_tissue(pixels, reader.modality))

    reading = reader.read(data, um_per_px, stop, seen=seen)
    every = max(1, -(-len(colours) // MOST_WINDOWS))
    return PictureMeans(
        reason=reading.verdict.reason,
        judgeable=bool(colours) and reading.verdict.reason not in PICTURE_REASONS,
        windows=Rows(_rows(means[MADE][::every]), _rows(means[SHOWS][::every]), _rows(colours[::every])),
        cells=np.concatenate(some[::every]) if some else np.zeros((0, 0), np.float32),
        logits=reading.maps.logits,
    )


def statistics_in(reader: Reader, colour: SiteColour | None, data: bytes, um_per_px: PixelSize | None) -> PictureMeans:
    """The means of a picture file in a clinic's colours, if any; it is read a second time as it came, as nothing else says
    whether the bundle's own gate refuses that. Raises as `Reader.read` does."""
    means = statistics_of(reader.coloured(colour), data, um_per_px)
    if colour is None:
        return means
    return replace(means, reason=reader.coloured(None).read(data, um_per_px).verdict.reason)


def _rows(each: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array(each) if each else np.zeros((0, 0))
