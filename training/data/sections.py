"""Whole sections put together again from a set's tiles, by their place in the section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.reading.image import decode_in_process
from training.data.adapters import Tiles
from training.data.pictures import LIMITS, picture_bytes
from training.data.sample import Sample
from training.errors import DataError

MISSING = -1
WHITE = 255


@dataclass(frozen=True)
class Section:
    """One patient's section, `cut` into tiles. `grid` int64 [rows, columns]: index of the sample at each
    place, −1 where there is no tile; `labels` int64 [rows, columns]: its class, −1 likewise."""

    patient: str
    cut: Tiles
    grid: NDArray[np.int64]
    labels: NDArray[np.int64]


def sections(samples: Sequence[Sample], cut: Tiles) -> list[Section]:
    """Sections of the patients, by name. Raises `DataError` for samples without a place, or two at one place."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        members[sample.group].append(index)
    return [_section(patient, members[patient], samples, cut) for patient in sorted(members)]


def _section(patient: str, members: list[int], samples: Sequence[Sample], cut: Tiles) -> Section:
    try:
        corners = np.array([(samples[i].extra["y"], samples[i].extra["x"]) for i in members], np.float64)
    except KeyError as error:
        raise DataError(f"samples of {patient} have no place in a section: their adapter gives no x and y") from error
    offsets = corners - corners.min(axis=0)
    if np.any(offsets % cut.side_px):
        raise DataError(f"tiles of {patient} don't lie on one grid of {cut.side_px} px")
    places = (offsets // cut.side_px).astype(np.int64)
    if len(np.unique(places, axis=0)) < len(places):
        raise DataError(f"{patient} has two tiles at one place: are there copies in the folder?")
    rows, columns = places[:, 0], places[:, 1]
    grid = np.full((rows.max() + 1, columns.max() + 1), MISSING, np.int64)
    labels = grid.copy()
    grid[rows, columns] = members
    labels[rows, columns] = [samples[i].label for i in members]
    return Section(patient, cut, grid, labels)


def section_pixels(folder: Path, section: Section, samples: Sequence[Sample]) -> NDArray[np.uint8]:
    """The section's picture, uint8 [rows, columns, 3] of so many tiles, white where there is no tile.

    `samples` is the list from which the section was made.
    """
    (rows, columns), side = section.grid.shape, section.cut.side_px
    pixels = np.full((rows * side, columns * side, 3), WHITE, np.uint8)
    for row, column in np.argwhere(section.grid != MISSING):
        tile = decode_in_process(picture_bytes(folder, samples[section.grid[row, column]]), LIMITS).pixels
        top, left = row * side, column * side
        pixels[top : top + side, left : left + side] = tile
    return pixels
