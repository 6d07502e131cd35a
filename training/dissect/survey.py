"""Every unit measured in one pass over the pictures, by the box's own code.

Activations are 8-bit integers, so a histogram of 256 bars a unit holds all that quantiles and overlaps need, exactly,
however many pictures there are. A mask counts with the share of each cell that it covers, which is the same as enlarging
the unit's grid to the picture's pixels (nearest neighbour) and counting pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from scipy.stats import rankdata

from device.base.errors import ImageError
from device.reading.maps import Features
from device.reading.reading import UNITS_SHOWN, Reader
from training.data.pictures import counted
from training.dissect.subjects import Mask, Seen, Subjects
from training.errors import DissectError

LEVELS = 256
MIN_EACH = 20  # pictures of a class and of the others that a group needs for classes to be compared within it
SELECTIVE, STRONGLY_SELECTIVE = 0.75, 0.9
SHUFFLES = 20


@dataclass(frozen=True)
class Survey:
    """What was measured of C units on n pictures, K classes and M masks, at the places that make the pictures' logits.

    `read` [n] are the pictures' indices in the subjects, `labels` [n] their classes. `means` float32 [n, C]: each
    picture's mean activation; `peaks` int8 [n, C]: its strongest cell. `histogram` int64 [C, 256] counts cells by
    activation (step −128 first). `auroc` [C, K]: class against the others by a picture's mean, within groups where
    `within` names any. `class_means` [C, K]. `overlap` [C, M]: IoU with each mask at `thresholds` [C]; `inside` [C, M]:
    AUROC of cells inside the mask against those outside. `importance` [C]: the mean size of the unit's part of a logit,
    for the class where that is largest. `listed` [C]: for how many pictures it is among the units that a reading shows.
    `selective`, by AUROC: how many units tell some class apart that well, and how many do by chance, the median over
    shuffles of the labels. Activations are in the network's integer steps.
    """

    read: NDArray[np.int64]
    labels: NDArray[np.int64]
    means: NDArray[np.float32]
    peaks: NDArray[np.int8]
    histogram: NDArray[np.int64]
    auroc: NDArray[np.float64]
    within: tuple[str, ...]
    class_means: NDArray[np.float64]
    overlap: NDArray[np.float64]
    inside: NDArray[np.float64]
    thresholds: NDArray[np.int16]
    importance: NDArray[np.float64]
    listed: NDArray[np.int64]
    selective: dict[float, tuple[int, float]]

    @property
    def lowest(self) -> NDArray[np.int64]:
        """Least activation of each unit, in bars of the histogram."""
        return np.asarray((self.histogram > 0).argmax(1))

    @property
    def highest(self) -> NDArray[np.int64]:
        """Greatest activation of each unit, in bars of the histogram."""
        return np.asarray(LEVELS - 1 - (self.histogram[:, ::-1] > 0).argmax(1))

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Units that never change over all cells of all pictures."""
        return np.asarray(self.lowest == self.highest)


def cell_shares(mask: Mask, rows: int, columns: int) -> NDArray[np.float64]:
    """The share of each cell [rows, columns] that a mask covers."""
    small = PIL.Image.fromarray(mask.astype(np.float32)).resize((columns, rows), PIL.Image.Resampling.BOX)
    return np.asarray(small, np.float64)


def threshold_of(histogram: NDArray[np.integer], quantile: float) -> NDArray[np.int64]:
    """The least bar, for each unit, that at most 1 − quantile of all cells reach; the greatest reached if there is none."""
    at_least = histogram[:, ::-1].cumsum(1)[:, ::-1]
    few = at_least <= (1 - quantile) * histogram.sum(1, keepdims=True) + 1e-9
    highest = LEVELS - 1 - (histogram[:, ::-1] > 0).argmax(1)
    return np.asarray(np.minimum(np.where(few.any(1), few.argmax(1), LEVELS - 1), highest))


def auroc(scores: NDArray[np.floating], positive: Mask) -> NDArray[np.float64]:
    """AUROC of each column of scores [n, C], ties counted half."""
    n, ones = len(positive), int(positive.sum())
    ranks = rankdata(scores, axis=0)
    return np.asarray((ranks[positive].sum(0) - ones * (ones + 1) / 2) / (ones * (n - ones)))


def comparable_groups(labels: NDArray[np.int64], groups: NDArray[np.str_], label: int) -> list[Mask]:
    """Groups with at least `MIN_EACH` pictures of a class and as many of the others, as masks over the pictures."""
    comparable = []
    for group in np.unique(groups):
        members = groups == group
        ones = int((labels[members] == label).sum())
        if min(ones, int(members.sum()) - ones) >= MIN_EACH:
            comparable.append(members)
    return comparable


def selectivity(
    means: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.str_], classes: int
) -> NDArray[np.float64]:
    """AUROC [C, K] of each class against the others. Where two groups or more can be compared within, it is the mean of
    theirs: a class that few patients have would otherwise be told by what is the patient's own."""
    columns = []
    for label in range(classes):
        inside = comparable_groups(labels, groups, label)
        sets = inside if len(inside) > 1 else [np.ones(len(labels), bool)]
        columns.append(np.mean([auroc(means[part], labels[part] == label) for part in sets], axis=0))
    return np.stack(columns, 1)


class Counts:
    """Histograms of C units over cells: of all, and for each mask of the cells that it covers and of those it speaks of."""

    def __init__(self, channels: int, concepts: tuple[str, ...]) -> None:
        self._first_bars = np.arange(channels) * LEVELS
        self._shape = (channels, LEVELS)
        self.all = np.zeros(self._shape, np.int64)
        self.covered = {concept: np.zeros(self._shape) for concept in concepts}
        self.known = {concept: np.zeros(self._shape) for concept in concepts}

    def add(self, features: Features, there: NDArray[np.bool_], seen: Seen) -> None:
        """Count one picture's features [rows, columns, channels] at the places [rows, columns] that make its logits."""
        rows, columns, channels = features.shape
        bars = (features[there].astype(np.int64) + 128 + self._first_bars).ravel()

        def count(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            histogram = np.bincount(bars, np.repeat(weights[there], channels), channels * LEVELS)
            return np.asarray(histogram, np.float64).reshape(self._shape)

        self.all += np.bincount(bars, minlength=channels * LEVELS).reshape(self._shape)
        known = np.ones((rows, columns)) if seen.valid is None else cell_shares(seen.valid, rows, columns)
        for concept, mask in seen.masks.items():
            self.covered[concept] += count(cell_shares(mask, rows, columns))
            self.known[concept] += count(known)

    def overlaps(self, thresholds: NDArray[np.int64]) -> NDArray[np.float64]:
        """IoU [C, M] of each mask with the cells that reach a unit's bar."""
        active = np.arange(LEVELS) >= thresholds[:, None]
        columns = []
        for concept, covered in self.covered.items():
            both = (covered * active).sum(1)
            columns.append(both / np.maximum((self.known[concept] * active).sum(1) + covered.sum(1) - both, 1e-9))
        return _side_by_side(columns, self._shape[0])

    def insides(self) -> NDArray[np.float64]:
        """AUROC [C, M] of cells inside each mask against those outside."""
        columns = []
        for concept, covered in self.covered.items():
            outside = np.maximum(self.known[concept] - covered, 0)
            below = outside.cumsum(1) - outside / 2
            columns.append((covered * below).sum(1) / np.maximum(covered.sum(1) * outside.sum(1), 1e-9))
        return _side_by_side(columns, self._shape[0])


def _side_by_side(columns: list[NDArray[np.float64]], channels: int) -> NDArray[np.float64]:
    return np.stack(columns, 1) if columns else np.zeros((channels, 0))


def survey(reader: Reader, subjects: Subjects, quantile: float) -> Survey:
    """Read every picture once and measure all units. Pictures that can't be read are left out; those that the gate
    refuses aren't, for they have been labelled. Raises `DissectError` when a class has no picture that can be read."""
    zero, weights = reader.network.outputs["features"].zero_point, reader.head.weights
    channels, classes = weights.shape
    counts = Counts(channels, subjects.concepts)
    read, means, peaks, best = [], [], [], []
    for index in counted(range(len(subjects)), "read"):
        seen = subjects.load(index)
        try:
            reading = reader.read(seen.data)
        except ImageError:
            continue
        features, there = reading.outputs["features"], reading.maps.counted
        counts.add(features, there, seen)
        read.append(index)
        means.append(features[there].mean(0, dtype=np.float64).astype(np.float32) - zero)
        peaks.append(features[there].max(0))
        best.append(reading.best)
    labels = subjects.labels[read]
    if len(np.unique(labels)) < classes:
        raise DissectError("a class has no picture that could be read: check the folder with loupe-train data check")
    groups, averages = np.array(subjects.groups)[read], np.stack(means)
    thresholds = threshold_of(counts.all, quantile)
    areas = selectivity(averages, labels, groups, classes)
    return Survey(
        read=np.array(read),
        labels=labels,
        means=averages,
        peaks=np.stack(peaks),
        histogram=counts.all,
        auroc=areas,
        within=_compared_within(labels, groups, classes),
        class_means=np.stack([averages[labels == k].mean(0) for k in range(classes)], 1).astype(np.float64),
        overlap=counts.overlaps(thresholds),
        inside=counts.insides(),
        thresholds=(thresholds - 128).astype(np.int16),
        importance=(np.abs(averages).mean(0)[:, None] * np.abs(weights)).max(1),
        listed=_listed(averages, np.array(best), weights),
        selective=_selective(areas, averages, labels, groups, classes),
    )


def _compared_within(labels: NDArray[np.int64], groups: NDArray[np.str_], classes: int) -> tuple[str, ...]:
    """The groups within which some class is compared with the others."""
    names: set[str] = set()
    for label in range(classes):
        inside = comparable_groups(labels, groups, label)
        if len(inside) > 1:
            names |= {str(groups[members][0]) for members in inside}
    return tuple(sorted(names))


def _listed(averages: NDArray[np.float32], best: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    counts = np.zeros(len(weights), np.int64)
    for row, label in zip(averages, best, strict=True):
        counts[np.argsort(-np.abs(row * weights[:, label]), kind="stable")[:UNITS_SHOWN]] += 1
    return counts


def _selective(
    areas: NDArray[np.float64],
    averages: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    classes: int,
) -> dict[float, tuple[int, float]]:
    """Labels are shuffled within groups where classes are compared within them, else over all pictures."""
    rng = np.random.default_rng(1)
    within = bool(_compared_within(labels, groups, classes))
    chance: dict[float, list[int]] = {SELECTIVE: [], STRONGLY_SELECTIVE: []}
    for _ in range(SHUFFLES):
        shuffled = labels.copy()
        for members in [groups == group for group in np.unique(groups)] if within else [slice(None)]:
            shuffled[members] = rng.permutation(labels[members])
        for level, counts in chance.items():
            counts.append(count_selective(selectivity(averages, shuffled, groups, classes), level))
    return {level: (count_selective(areas, level), float(np.median(counts))) for level, counts in chance.items()}


def count_selective(areas: NDArray[np.float64], level: float) -> int:
    """Units that tell some class from the others that well, by being stronger or weaker there."""
    return int((np.maximum(areas, 1 - areas).max(1) >= level).sum())
