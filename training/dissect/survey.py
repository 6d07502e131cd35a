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

from device.errors import ImageError
from device.reading import UNITS_SHOWN, Reader
from training.data.pictures import counted
from training.dissect.subjects import Mask, Subjects
from training.errors import DissectError

LEVELS = 256
MIN_EACH = 20  # pictures of a class and of the others that a group needs for classes to be compared within it
SELECTIVE, STRONGLY_SELECTIVE = 0.75, 0.9
SHUFFLES = 20


@dataclass(frozen=True)
class Survey:
    """What was measured of C units on n pictures, K classes and M masks.

    `read` [n] are the pictures' indices in the subjects, `labels` [n] their classes. `means` float32 [n, C]: each
    picture's mean activation; `peaks` int8 [n, C]: its strongest cell. `histogram` int64 [C, 256] counts all cells by
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
    found = []
    for group in np.unique(groups):
        members = groups == group
        ones = int((labels[members] == label).sum())
        if min(ones, int(members.sum()) - ones) >= MIN_EACH:
            found.append(members)
    return found


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


def survey(reader: Reader, subjects: Subjects, quantile: float) -> Survey:
    """Read every picture once and measure all units. Pictures that can't be read are left out; those that the gate
    refuses aren't, for they have been labelled. Raises `DissectError` when a class has no picture that can be read."""
    zero = reader.network.outputs["features"].zero_point
    channels, classes = reader.head.weights.shape
    histogram = np.zeros(channels * LEVELS, np.int64)
    inside = {concept: np.zeros(channels * LEVELS) for concept in subjects.concepts}
    valid_cells = {concept: np.zeros(channels * LEVELS) for concept in subjects.concepts}
    bars_of_unit = np.arange(channels) * LEVELS
    read, means, peaks, best = [], [], [], []
    for index in counted(range(len(subjects)), "read"):
        seen = subjects.load(index)
        try:
            reading = reader.read(seen.data)
        except ImageError:
            continue
        features = reading.outputs["features"]
        rows, columns, _ = features.shape
        cells = features.reshape(-1, channels)
        bars = (cells.astype(np.int64) + 128 + bars_of_unit).ravel()
        histogram += np.bincount(bars, minlength=len(histogram))
        said = np.ones(rows * columns) if seen.valid is None else cell_shares(seen.valid, rows, columns).ravel()
        for concept, mask in seen.masks.items():
            covered = cell_shares(mask, rows, columns).ravel()
            inside[concept] += np.bincount(bars, np.repeat(covered, channels), len(histogram))
            valid_cells[concept] += np.bincount(bars, np.repeat(said, channels), len(histogram))
        read.append(index)
        means.append(cells.mean(0, dtype=np.float64).astype(np.float32) - zero)
        peaks.append(cells.max(0))
        best.append(reading.best)
    labels = subjects.labels[read]
    if len(np.unique(labels)) < classes:
        raise DissectError("a class has no picture that could be read: check the folder with loupe-train data check")
    groups = np.array(subjects.groups)[read]
    averages = np.stack(means)
    counts = histogram.reshape(channels, LEVELS)
    thresholds = threshold_of(counts, quantile)
    strength = np.abs(averages).mean(0)[:, None] * np.abs(reader.head.weights)
    found = selectivity(averages, labels, groups, classes)
    compared = {
        str(group)
        for label in range(classes)
        if len(inside_ := comparable_groups(labels, groups, label)) > 1
        for members in inside_
        for group in np.unique(groups[members])
    }
    return Survey(
        np.array(read),
        labels,
        averages,
        np.stack(peaks),
        counts,
        found,
        tuple(sorted(compared)),
        np.stack([averages[labels == label].mean(0) for label in range(classes)], 1).astype(np.float64),
        _overlaps(inside, valid_cells, thresholds),
        _insides(inside, valid_cells, channels),
        (thresholds - 128).astype(np.int16),
        strength.max(1),
        _listed(averages, np.array(best), reader.head.weights),
        _selective(found, averages, labels, groups, classes),
    )


def _overlaps(
    inside: dict[str, NDArray[np.float64]], valid: dict[str, NDArray[np.float64]], thresholds: NDArray[np.int64]
) -> NDArray[np.float64]:
    channels = len(thresholds)
    active = np.arange(LEVELS) >= thresholds[:, None]
    columns = []
    for concept, counts in inside.items():
        covered, all_cells = counts.reshape(channels, LEVELS), valid[concept].reshape(channels, LEVELS)
        both = (covered * active).sum(1)
        columns.append(both / np.maximum((all_cells * active).sum(1) + covered.sum(1) - both, 1e-9))
    return np.stack(columns, 1) if columns else np.zeros((channels, 0))


def _insides(
    inside: dict[str, NDArray[np.float64]], valid: dict[str, NDArray[np.float64]], channels: int
) -> NDArray[np.float64]:
    columns = []
    for concept, counts in inside.items():
        covered = counts.reshape(channels, LEVELS)
        outside = np.maximum(valid[concept].reshape(channels, LEVELS) - covered, 0)
        below = outside.cumsum(1) - outside / 2
        pairs = np.maximum(covered.sum(1) * outside.sum(1), 1e-9)
        columns.append((covered * below).sum(1) / pairs)
    return np.stack(columns, 1) if columns else np.zeros((channels, 0))


def _listed(averages: NDArray[np.float32], best: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    counts = np.zeros(len(weights), np.int64)
    for row, label in zip(averages, best, strict=True):
        counts[np.argsort(-np.abs(row * weights[:, label]), kind="stable")[:UNITS_SHOWN]] += 1
    return counts


def _selective(
    found: NDArray[np.float64],
    averages: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    classes: int,
) -> dict[float, tuple[int, float]]:
    """Labels are shuffled within groups where classes are compared within them, else over all pictures."""
    rng = np.random.default_rng(1)
    within = any(len(comparable_groups(labels, groups, label)) > 1 for label in range(classes))
    chance: dict[float, list[int]] = {SELECTIVE: [], STRONGLY_SELECTIVE: []}
    for _ in range(SHUFFLES):
        shuffled = labels.copy()
        for members in [groups == group for group in np.unique(groups)] if within else [slice(None)]:
            shuffled[members] = rng.permutation(labels[members])
        for level, counts in chance.items():
            counts.append(count_selective(selectivity(averages, shuffled, groups, classes), level))
    return {level: (count_selective(found, level), float(np.median(counts))) for level, counts in chance.items()}


def count_selective(found: NDArray[np.float64], level: float) -> int:
    """Units that tell some class from the others that well, by being stronger or weaker there."""
    return int((np.maximum(found, 1 - found).max(1) >= level).sum())
