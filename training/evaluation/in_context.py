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

from device.maps import softmax
from device.reading import Reader
from training.data import LIMITS, Sample
from training.data.adapters.idc import TILE_PX
from training.data.sections import Section, section_pixels, sections
from training.evaluation.table import class_columns

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
    cells = class_map.reshape(WINDOW, height // WINDOW, WINDOW, width // WINDOW, classes)
    tiles: NDArray[np.float64] = cells.mean((1, 3))
    margin = (WINDOW - CORE) // 2
    return tiles[margin : margin + CORE, margin : margin + CORE]


def read_in_context(
    reader: Reader, folder: Path, samples: Sequence[Sample], labels: Sequence[str], lone: pd.DataFrame
) -> pd.DataFrame:
    """The readings table `lone` of the same samples with what was said of each tile among its neighbours instead.

    The gate's columns stay: it was fitted on tiles, and judges them one by one. Time is the window's, shared by its core.
    Tiles that can't be read stay as they are.
    """
    wide = window_reader(reader)
    readable = np.nonzero(lone["error"].isna())[0]
    tiles = [samples[int(index)] for index in readable]
    logits = np.full((len(samples), len(labels)), np.nan)
    latency_ms = np.full(len(samples), np.nan)
    for section in track(sections(tiles), "read sections", transient=True):
        for window, core in _windows(section, section_pixels(folder, section, tiles)):
            buffer = io.BytesIO()
            PIL.Image.fromarray(window).save(buffer, "PNG", compress_level=1)
            found = wide.read(buffer.getvalue())
            inside = core >= 0
            where = readable[core[inside]]
            logits[where] = tile_logits(found.maps.values)[inside]
            latency_ms[where] = found.timings_ms["total"] / len(where)
    table = lone.copy()
    table[class_columns("logit", labels)] = logits
    table[class_columns("float_logit", labels)] = np.nan
    table[class_columns("p", labels)] = softmax(logits, reader.bundle.manifest["calibration"]["temperature"])
    table["latency_ms"] = latency_ms
    said = np.array(labels)[np.nan_to_num(logits).argmax(1)]
    table["prediction"] = pd.Series(said, dtype="string").where(~np.isnan(logits[:, 0]), None)
    return table
