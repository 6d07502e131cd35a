"""Tiles of a section read among their neighbours: windows of the section go through the box's reader, and a tile's logit
is the mean of the class map over its own cells.

The network is fully convolutional and was trained on lone tiles and on windows alike, so this costs no more than reading
tiles one by one, and shows the network what surrounds each.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
from numpy.typing import NDArray
from rich.progress import track

from device.gate import MADE, SHOWS
from device.maps import softmax
from device.reading import Reader
from training.data import LIMITS, Sample
from training.data.adapters.idc import TILE_PX
from training.data.sections import Section, section_pixels, sections
from training.evaluation.table import class_columns, columns

WINDOW = 5  # tiles on a side, as large as those trained on
CORE = 3  # of which the middle ones are told: each has a neighbour on every side
WHITE = 255


def window_reader(reader: Reader) -> Reader:
    """The same bundle, read at the same scale, for pictures of `WINDOW` × `WINDOW` tiles."""
    manifest = dict(reader.bundle.manifest)
    preprocessing = manifest["preprocessing"]
    manifest["preprocessing"] = preprocessing | {"area_px": preprocessing["area_px"] * WINDOW**2}
    return Reader(replace(reader.bundle, manifest=manifest), LIMITS)


def _windows(section: Section, pixels: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Windows of a section with any tile in their core: pixels, and the sample index (or −1) of each place in the core."""
    margin = (WINDOW - CORE) // 2
    rows, columns_ = section.grid.shape
    more = ((margin, margin + CORE), (margin, margin + CORE))
    grid = np.pad(section.grid, more, constant_values=-1)
    px = [(before * TILE_PX, after * TILE_PX) for before, after in more]
    whole = np.pad(pixels, (*px, (0, 0)), constant_values=WHITE)
    for top in range(0, rows, CORE):
        for left in range(0, columns_, CORE):
            core = grid[top + margin : top + margin + CORE, left + margin : left + margin + CORE]
            if (core >= 0).any():
                y, x, side = top * TILE_PX, left * TILE_PX, WINDOW * TILE_PX
                yield whole[y : y + side, x : x + side], core


def tile_logits(class_map: NDArray[np.float64]) -> NDArray[np.float64]:
    """A window's class map [h, w, K] → logits of the tiles in its core [CORE, CORE, K]."""
    height, width, classes = class_map.shape
    tiles = class_map.reshape(WINDOW, height // WINDOW, WINDOW, width // WINDOW, classes).mean((1, 3))
    margin = (WINDOW - CORE) // 2
    return tiles[margin : margin + CORE, margin : margin + CORE]


def read_in_context(
    reader: Reader, folder: Path, samples: Sequence[Sample], labels: Sequence[str], *, fold: str = ""
) -> pd.DataFrame:
    """A readings table of tiles, in the samples' order; size, gate and time are those of the window that a tile was read in
    (the time shared by the tiles of its core)."""
    wide = window_reader(reader)
    temperature = reader.bundle.manifest["calibration"]["temperature"]
    rows: list[dict[str, object]] = [{} for _ in samples]
    for section in track(sections(samples), "read sections", transient=True):
        pixels = section_pixels(folder, section, samples)
        for window, core in _windows(section, pixels):
            buffer = io.BytesIO()
            PIL.Image.fromarray(window).save(buffer, "PNG", compress_level=1)
            found = wide.read(buffer.getvalue())
            p_values = {answer.question: answer.p_value for answer in found.verdict.answers}
            logits = tile_logits(found.maps.values)
            for row, column in np.argwhere(core >= 0):
                sample = samples[core[row, column]]
                told = logits[row, column]
                rows[core[row, column]] = {
                    "file": sample.file,
                    "group": sample.group,
                    "label": labels[sample.label],
                    "fold": fold,
                    "reason": found.verdict.reason,
                    "caution": found.verdict.caution,
                    "prediction": labels[int(told.argmax())],
                    "width": found.image.width,
                    "height": found.image.height,
                    "p_made": p_values[MADE],
                    "p_shows": p_values[SHOWS],
                    "latency_ms": found.timings_ms["total"] / int((core >= 0).sum()),
                    **dict(zip(class_columns("logit", labels), told, strict=True)),
                    **dict(zip(class_columns("p", labels), softmax(told, temperature), strict=True)),
                }
    return pd.DataFrame(rows, columns=columns(labels))
