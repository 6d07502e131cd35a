"""Regions: which parts of a picture speak for a class of concern, and where each class's evidence is strongest.

A place speaks for a class of concern when its greatest evidence is for one; several such classes (carcinoma in situ and
invasive carcinoma) count together. Places that touch, also at a corner, make a region. Regions say what a mean can't: a
small tumour in a large section, or in one quarter of a field, hardly moves the mean of a map.

A field's strongest region may lead by more than in nearly all proper fields without a class of concern. The bundle's
manifest says by how much (`parts`, fitted by `loupe-train parts`); such a field gets a caution, unless the answer names a
class of concern anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from device.reading.manifest import Manifest
from device.reading.maps import Maps

STRONGEST = 3  # places that are marked for each class
APART = 6  # marked places are at least this part of the map's longer side apart
SQUARE_MM = 1e-6  # of a square µm


@dataclass(frozen=True)
class Place:
    """A cell of a map and the evidence there, logit units."""

    row: int
    column: int
    value: float


@dataclass(frozen=True)
class Region:
    """Connected places that speak for classes of concern. `label`: index of the one with most evidence in it; `share` of
    the places that count; `strongest`: the place with most evidence for `label`; `box`: (top, left, bottom, right) in
    cells, the last two beyond it; `lead`: by how much the best class of concern leads the best other class, summed over
    the region and divided by all places that count, logit units; `mean`: float64 [classes], the region's mean evidence."""

    label: int
    share: float
    strongest: Place
    box: tuple[int, int, int, int]
    lead: float
    mean: NDArray[np.float64]


def concern_of(manifest: Manifest) -> tuple[int, ...]:
    """Indexes of the classes of concern of a bundle's manifest, in the order of its labels; none where it marks none."""
    marked = manifest.answer.concern
    return tuple(index for index, label in enumerate(manifest.labels) if label.id in marked)


def lead_of(values: NDArray[np.float64], concern: Sequence[int]) -> NDArray[np.float64]:
    """By how much the best class of concern leads the best other one at each place: float64 [rows, columns] of evidence
    [rows, columns, classes], logit units; NaN where a place doesn't count. −inf where no class is of concern."""
    others = [index for index in range(values.shape[2]) if index not in concern]
    if not concern:
        return np.where(np.isnan(values[..., 0]), np.nan, -np.inf)
    rest = values[..., others].max(2) if others else np.full(values.shape[:2], -np.inf)
    return np.asarray(values[..., list(concern)].max(2) - rest)


def connected(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The connected parts of a mask, bool [rows, columns], neighbours at a corner included: of each, its places, int64
    [n, 2], in reading order of their first place."""
    left = {(row, column) for row, column in np.argwhere(mask).tolist()}
    parts = []
    for start in sorted(left):
        if start not in left:
            continue
        left.discard(start)
        part, waiting = [start], [start]
        while waiting:
            row, column = waiting.pop()
            for near in ((row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)):
                if near in left:
                    left.discard(near)
                    part.append(near)
                    waiting.append(near)
        parts.append(np.array(sorted(part), np.int64))
    return parts


def regions_of(maps: Maps, concern: Sequence[int]) -> list[Region]:
    """The regions of a map that speak for classes of concern, largest first."""
    lead = lead_of(maps.values, concern)
    counted = max(1, int(np.count_nonzero(maps.counted)))
    regions = []
    for places in connected(np.nan_to_num(lead, nan=-np.inf) > 0):
        rows, columns = places.T
        values = maps.values[rows, columns]
        label = max(concern, key=lambda index: float(values[:, index].sum()))
        best = int(values[:, label].argmax())
        regions.append(
            Region(
                label=label,
                share=len(places) / counted,
                strongest=Place(int(rows[best]), int(columns[best]), float(values[best, label])),
                box=(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1),
                lead=float(lead[rows, columns].sum()) / counted,
                mean=values.mean(0),
            )
        )
    return sorted(regions, key=lambda region: -region.share)


def leading(regions: Sequence[Region]) -> Region | None:
    """The region with the greatest lead; None where there is none."""
    return max(regions, key=lambda region: region.lead, default=None)


def strongest_places(values: NDArray[np.float64], least: float) -> list[Place]:
    """The strongest places of one class's map, float64 [rows, columns], apart from each other, the strongest first. Those
    with less evidence than `least` are left blank on the map and are no place to look at."""
    apart = max(2, ceil(max(values.shape) / APART))
    free = np.where(np.isnan(values), -np.inf, values)
    marked: list[Place] = []
    while len(marked) < STRONGEST:
        row, column = (int(index) for index in np.unravel_index(int(free.argmax()), free.shape))
        if free[row, column] < max(least, np.finfo(float).tiny):
            break
        marked.append(Place(row, column, float(free[row, column])))
        free[max(0, row - apart + 1) : row + apart, max(0, column - apart + 1) : column + apart] = -np.inf
    return marked


@dataclass(frozen=True)
class Scale:
    """From cells of a map to pixels of the file's picture: (width, height) of a cell, px; µm/px of the file, if known;
    (left, top) of the first cell, px."""

    cell_px: tuple[float, float]
    um_per_px: float | None
    origin_px: tuple[float, float] = (0.0, 0.0)

    def middle(self, place: Place) -> tuple[int, int]:
        """x, y of the middle of a cell, px."""
        return int(self.x(place.column + 0.5)), int(self.y(place.row + 0.5))

    def x(self, column: float) -> float:
        """How far from the left so many columns of the map end, px."""
        return self.origin_px[0] + column * self.cell_px[0]

    def y(self, row: float) -> float:
        """How far from the top so many rows of the map end, px."""
        return self.origin_px[1] + row * self.cell_px[1]

    def area_mm2(self, cells: float) -> float | None:
        """Of so many cells; None where the size of a pixel isn't known."""
        if self.um_per_px is None:
            return None
        return float(f"{cells * self.cell_px[0] * self.cell_px[1] * self.um_per_px**2 * SQUARE_MM:.3g}")
