"""One labelled picture, as every adapter gives it and every later step takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

# `extra[MOSAIC]`: files of equal size that make up the picture, by row and column; nothing where it is white.
MOSAIC, ROW, COLUMN = "mosaic", "\n", "|"
# `extra[POSSIBLE]`: class indices with a bar between, of a picture whose label says only that it is one of these.
POSSIBLE, OR = "possible", "|"
# `extra[SET]`: the set that a picture is of, where several are pooled.
SET = "set"
UNKNOWN = -1  # the label of a picture whose class isn't known, or known to be one of several

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


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly spread."""
    return list(items[:: max(1, -(-len(items) // most))])


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
    """Class indices [n]; `UNKNOWN` where a label leaves several open."""
    return np.array([sample.label for sample in samples], np.int64)


def possible_labels(sample: Sample) -> tuple[int, ...]:
    """The class indices that a sample's label leaves open: its own or, of a partial label, several."""
    possible = str(sample.extra.get(POSSIBLE, ""))
    return tuple(int(index) for index in possible.split(OR)) if possible else (sample.label,)


def possible_of(samples: Sequence[Sample], classes: int) -> NDArray[np.float32]:
    """Which classes each sample may be of: 1 or 0, [n, classes]. One 1 in a row is a label like any other."""
    rows = np.zeros((len(samples), classes), np.float32)
    for row, sample in zip(rows, samples, strict=True):
        row[list(possible_labels(sample))] = 1
    return rows


def kinds_of(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """What is balanced and stratified by, [n]: the class; of partial labels, a number below 0 for each set of classes."""
    partial = sorted({possible_labels(sample) for sample in samples if sample.label == UNKNOWN})
    number = {classes: -1 - index for index, classes in enumerate(partial)}
    return np.array([number.get(possible_labels(sample), sample.label) for sample in samples], np.int64)
