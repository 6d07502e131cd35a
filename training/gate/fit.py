"""Fitting the gate on outputs of the integer network.

`fit_gate` fits everything on proper pictures: limits of light and focus, the two distances, the rule that reads off the
magnification (on the same pictures at other magnifications, `magnification.py`), and the cells' distance. Each question's
score is divided by its 95 % quantile over those pictures, scored across groups: each fifth of the groups by a fit on the
rest. The refusal-rate bound is taken from scores of pictures that were not fitted on: `cross_scores` fits without each
group in turn, and `loupe-train crossval` reads each group by a network and a gate that never saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from device.reading.gate import LAYERS, MADE, SCALE, SHOWS, cells, coarse, mean_of, picture_statistics
from device.reading.image import Image
from device.reading.manifest import PictureLimits
from device.reading.runtime import Network
from device.reading.site.spaces import Floats, Space
from training.gate.magnification import RATIOS, magnified

QUESTIONS = (SCALE, MADE, SHOWS)
MARGIN = 2.0
ODD = 0.02  # share of a set's pictures that set no limit of sharpness
DARKEST, BRIGHTEST = 40.0, 250.0
RESCALED = 200  # pictures that are read at each magnification
FOLDS = 5
CROSS_FOLDS = 20
UNIT = 0.95  # the quantile of proper pictures' scores that is called 1
ALIKE = 0.95  # share of rescaled proper pictures that are still taken for proper ones at their magnification
PARTLY = 0.99  # share of proper pictures that have no cell over the limit
PENALTIES = tuple(10.0**power for power in range(-1, 5))
CELLS_FITTED = 20_000


@dataclass(frozen=True)
class Outputs:
    """What the gate is fitted on. `means`: for each question of `LAYERS` [pictures, channels]; `groups` [pictures];
    `cells` [n, channels] of the early layer and the picture `of_cell` [n] of each; `rescaled`: for each ratio of `RATIOS`
    the means, both layers side by side [pictures, channels], of the pictures `of_rescaled` [pictures]."""

    means: dict[str, Floats]
    groups: NDArray[np.str_]
    cells: Floats
    of_cell: NDArray[np.int64]
    rescaled: Floats
    of_rescaled: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.groups)

    def both(self, which: NDArray[Any] | slice = slice(None)) -> Floats:
        return np.concatenate([self.means[MADE][which], self.means[SHOWS][which]], 1)


@dataclass(frozen=True)
class ScaleRule:
    """Octaves that structures are too large: rows of both layers' means · `weights` [d] + `intercept`."""

    weights: Floats
    intercept: float

    def octaves(self, rows: Floats) -> Floats:
        return np.asarray(rows @ self.weights + self.intercept)


@dataclass(frozen=True)
class FittedGate:
    """All that is fitted but the refusal-rate bound. `octaves` is the unit of `scale`; `centres` [ratios, channels] are the
    early means of proper pictures at `RATIOS`; `alike` is the distance from them that still counts as proper."""

    spaces: dict[str, Space]
    scale: ScaleRule
    octaves: float
    centres: Floats
    alike: float
    cells: Space
    cell_limit: float

    def scores(self, both: Floats) -> dict[str, Floats]:
        """Each question's score [n] of rows of both layers' means [n, d]."""
        width = len(self.spaces[MADE].centre)
        rows = {MADE: both[:, :width], SHOWS: both[:, width:]}
        return {
            SCALE: np.abs(self.scale.octaves(both)) / self.octaves,
            **{question: self.spaces[question].scores(rows[question]) for question in LAYERS},
        }


def fit_space(rows: Floats) -> Space:
    """Ledoit–Wolf Mahalanobis distance of rows [n, d], standardised first so that shrinkage treats all channels alike."""
    centre, spread = rows.mean(0), rows.std(0) + 1e-9
    precision = LedoitWolf().fit((rows - centre) / spread).precision_
    values, vectors = np.linalg.eigh(precision)
    return Space(centre, (vectors * np.sqrt(np.maximum(values, 0))) / spread[:, None])


def fit_scale(rescaled: Floats, proper: Floats) -> ScaleRule:
    """Ridge regression of the octaves on means at each ratio [ratios, n, d]; 0 is the median of proper pictures [m, d]."""
    rows, octaves = rescaled.reshape(-1, rescaled.shape[-1]), np.repeat(np.log2(RATIOS), rescaled.shape[1])
    centre, spread = rows.mean(0), rows.std(0) + 1e-9
    ridge = RidgeCV(PENALTIES).fit((rows - centre) / spread, octaves)
    weights = ridge.coef_ / spread
    return ScaleRule(weights, -float(np.median(proper @ weights)))


def _folds(groups: NDArray[np.str_], most: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    several = min(most, len(np.unique(groups)))
    if several < 2:
        everything = np.arange(len(groups))
        return [(everything, everything)]
    return list(GroupKFold(several).split(groups, groups=groups))


def fit_gate(outputs: Outputs, which: NDArray[np.int64] | None = None) -> FittedGate:
    """Fit on all pictures or on those with the given indexes."""
    with threadpool_limits(limits=1):  # matrices are so small that threads cost seconds where a core is busy
        return _fit(outputs, np.arange(len(outputs)) if which is None else which)


def _fit(outputs: Outputs, which: NDArray[np.int64]) -> FittedGate:
    both, rescaled_here = outputs.both(which), np.isin(outputs.of_rescaled, which)
    rescaled, width = outputs.rescaled[:, rescaled_here], outputs.means[MADE].shape[1]
    unit, alike = _units(outputs, which, both, rescaled, outputs.groups[outputs.of_rescaled[rescaled_here]])
    cell_space, cell_limit = _fit_cells(outputs, which)
    return FittedGate(
        spaces={q: fit_space(outputs.means[q][which]).in_units_of(unit[q]) for q in LAYERS},
        scale=fit_scale(rescaled, both),
        octaves=unit[SCALE],
        centres=rescaled[..., :width].mean(1),
        alike=alike / unit[MADE],
        cells=cell_space,
        cell_limit=cell_limit,
    )


def _units(
    outputs: Outputs, which: NDArray[np.int64], both: Floats, rescaled: Floats, rescaled_groups: NDArray[np.str_]
) -> tuple[dict[str, float], float]:
    """What each question's score is divided by, and how far rescaled pictures lie from the centre of their ratio: quantiles
    over pictures that were scored by a fit on other groups."""
    groups, width = outputs.groups[which], outputs.means[MADE].shape[1]
    scores: dict[str, list[Floats]] = {question: [] for question in QUESTIONS}
    alike: list[Floats] = []
    for rest, held in _folds(groups, FOLDS):
        near = ~np.isin(rescaled_groups, np.unique(groups[held]))
        if not near.any() or near.all():
            near = np.ones(len(near), bool)
        spaces = {q: fit_space(outputs.means[q][which[rest]]) for q in LAYERS}
        for question, space in spaces.items():
            scores[question].append(space.scores(outputs.means[question][which[held]]))
        scores[SCALE].append(np.abs(fit_scale(rescaled[:, near], both[rest]).octaves(both[held])))
        centres = rescaled[:, near, :width].mean(1)
        far = rescaled[:, ~near, :width] if not near.all() else rescaled[..., :width]
        alike += [spaces[MADE].scores(r - c + spaces[MADE].centre) for r, c in zip(far, centres, strict=True)]
    units = {question: float(np.quantile(np.concatenate(parts), UNIT)) for question, parts in scores.items()}
    return units, float(np.quantile(np.concatenate(alike), ALIKE))


def _fit_cells(outputs: Outputs, which: NDArray[np.int64]) -> tuple[Space, float]:
    """The cells' distance, and the limit over which nearly no proper picture has a cell."""
    here = np.isin(outputs.of_cell, which)
    rows = outputs.cells[here]
    space = fit_space(rows[:: max(1, len(rows) // CELLS_FITTED)])
    worst = np.zeros(len(outputs))
    np.maximum.at(worst, outputs.of_cell[here], space.scores(rows))
    return space, float(np.quantile(worst[which], PARTLY))


def cross_scores(outputs: Outputs) -> dict[str, Floats]:
    """Each question's score [pictures] of every picture by a gate that was fitted without its group, and where there are
    more than `CROSS_FOLDS` groups, without some others."""
    all_scores = {question: np.zeros(len(outputs)) for question in QUESTIONS}
    for rest, held in _folds(outputs.groups, CROSS_FOLDS):
        for question, scores in fit_gate(outputs, rest).scores(outputs.both(held)).items():
            all_scores[question][held] = scores
    return all_scores


def rescaled_indexes(count: int) -> NDArray[np.int64]:
    """Which of so many pictures are read at other magnifications too: evenly spread ones."""
    return np.arange(count)[:: max(1, -(-count // RESCALED))]


def collect(
    network: Network, images: Sequence[Image], sources: Sequence[NDArray[np.uint8]], groups: NDArray[np.str_]
) -> Outputs:
    """Run the network on images as it reads them, and on those of `rescaled_indexes`, whose pixels at their files' own
    size are `sources`, at other magnifications."""

    quantized = {question: network.outputs[output] for question, output in LAYERS.items()}

    def grids(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        read = network.run(pixels)
        return {question: cells(read[output], quantized[question].zero_point) for question, output in LAYERS.items()}

    seen = [grids(image.pixels) for image in images]
    some = [coarse(grid[MADE], quantized[MADE].scale).reshape(-1, grid[MADE].shape[-1]) for grid in seen]
    chosen = rescaled_indexes(len(images))
    rescaled = []
    for ratio in RATIOS:
        at_ratio = []
        for index, source in zip(chosen, sources, strict=True):
            height, width, _ = images[index].pixels.shape
            grid = grids(magnified(source, ratio, width, height))
            at_ratio.append(np.concatenate([mean_of(grid[q], quantized[q].scale) for q in LAYERS]))
        rescaled.append(at_ratio)
    return Outputs(
        means={q: np.array([mean_of(grid[q], quantized[q].scale) for grid in seen]) for q in LAYERS},
        groups=groups,
        cells=np.concatenate(some),
        of_cell=np.repeat(np.arange(len(some)), [len(each) for each in some]),
        rescaled=np.array(rescaled),
        of_rescaled=chosen,
    )


def picture_limits(images: Sequence[Image]) -> PictureLimits:
    """Limits of the first question: twice as far as any proper picture, darkest and brightest by general rule. Of
    sharpness, twice as far as nearly all: a set may have a picture with a section's hard edge alone, which has none. What
    is softer than they are may look enlarged for want of focus."""
    statistics = [asdict(picture_statistics(image.pixels)) for image in images]
    ordered = {name: sorted(float(row[name]) for row in statistics) for name in statistics[0]}
    soft = ordered["sharpness"][int(ODD * len(images))]
    limits = {
        "min_contrast": ordered["contrast"][0] / MARGIN,
        "min_tissue": ordered["tissue"][0] / MARGIN,
        "min_luminance": min(DARKEST, ordered["luminance"][0] / MARGIN),
        "max_luminance": max(BRIGHTEST, ordered["luminance"][-1]),
        "min_sharpness": soft / MARGIN,
        "soft_below": soft,
        "min_source_px": min(image.width * image.height for image in images) / MARGIN**2,
    }
    return PictureLimits(**limits)
