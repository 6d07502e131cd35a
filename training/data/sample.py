"""One labelled picture, as every adapter gives it and every later step takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# `extra[MOSAIC]`: files of equal size that make up the picture, by row and column; nothing where it is white.
MOSAIC, ROW, COLUMN = "mosaic", "\n", "|"

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sample:
    """One labelled picture.

    `file` is relative to the data folder, with "/" between names; `label` the class index in the recipe's order;
    `group` what a split keeps on one side (a patient where known). `um_per_px` is that of the file's pixels. `box` (left,
    top, right, bottom in the file's pixels) cuts a window out; without it the picture is the whole file. `extra` holds
    what else the set says: subtype, magnification, position.
    """

    file: str
    label: int
    group: str
    um_per_px: float | None = None
    box: Box | None = None
    extra: Mapping[str, str | float] = field(default_factory=dict, hash=False)


def mosaic_files(sample: Sample) -> list[list[str]]:
    """The files that make up a sample's picture, row by row, empty where it is white; none for a picture of one file."""
    mosaic = str(sample.extra.get(MOSAIC, ""))
    return [row.split(COLUMN) for row in mosaic.split(ROW)] if mosaic else []


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """About `count` samples, the same number of each class, evenly spread over each class's."""
    labels = sorted({sample.label for sample in samples})
    chosen: list[Sample] = []
    for label in labels:
        members = [sample for sample in samples if sample.label == label]
        picks = np.unique(np.linspace(0, len(members) - 1, max(1, round(count / len(labels)))).round().astype(int))
        chosen += [members[i] for i in picks]
    return chosen


def labels_of(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Class indices [n]."""
    return np.array([sample.label for sample in samples], np.int64)
