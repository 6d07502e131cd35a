"""Whole sections put together again from the tiles of IDC, by their place in the section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.reading.image import decode_in_process
from training.data.adapters.idc import TILE_PX
from training.data.pictures import LIMITS, picture_bytes
from training.data.sample import Sample
from training.errors import DataError

MISSING = -1
WHITE = 255


@dataclass(frozen=True)
class Section:
    """One patient's section. `grid` int64 [rows, columns]: index of the sample at each place, −1 where there is no tile;
    `labels` int64 [rows, columns]: its class, −1 likewise."""

    patient: str
    grid: NDArray[np.int64]
    labels: NDArray[np.int64]


def sections(samples: Sequence[Sample]) -> list[Section]:
    """Sections of the patients, by name. Raises `DataError` for samples without a place, or two at one place."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        members[sample.group].append(index)
    return [_section(patient, members[patient], samples) for patient in sorted(members)]


def _section(patient: str, members: list[int], samples: Sequence[Sample]) -> Section:
    try:
        corners = np.array([(samples[i].extra["y"], samples[i].extra["x"]) for i in members], np.float64)
    except KeyError as error:
        raise DataError(
            f"samples of {patient} have no place in a section: only the adapter idc gives x and y"
        ) from error
    offsets = corners - corners.min(axis=0)
    if np.any(offsets % TILE_PX):
        raise DataError(f"tiles of {patient} don't lie on one grid of {TILE_PX} px")
    places = (offsets // TILE_PX).astype(np.int64)
    if len(np.unique(places, axis=0)) < len(places):
        raise DataError(f"{patient} has two tiles at one place: are there copies in the folder?")
    rows, columns = places[:, 0], places[:, 1]
    grid = np.full((rows.max() + 1, columns.max() + 1), MISSING, np.int64)
    labels = grid.copy()
    grid[rows, columns] = members
    labels[rows, columns] = [samples[i].label for i in members]
    return Section(patient, grid, labels)


def section_pixels(folder: Path, section: Section, samples: Sequence[Sample]) -> NDArray[np.uint8]:
    """The section's picture, uint8 [50 · rows, 50 · columns, 3], white where there is no tile.

    `samples` is the list from which the section was made.
    """
    rows, columns = section.grid.shape
    pixels = np.full((rows * TILE_PX, columns * TILE_PX, 3), WHITE, np.uint8)
    for row, column in np.argwhere(section.grid != MISSING):
        tile = decode_in_process(picture_bytes(folder, samples[section.grid[row, column]]), LIMITS).pixels
        top, left = row * TILE_PX, column * TILE_PX
        pixels[top : top + TILE_PX, left : left + TILE_PX] = tile
    return pixels
