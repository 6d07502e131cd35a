"""Windows that slide over a mammogram, and which of them show a lesion.

As in Wu et al. 2018 (DeepMiner): a window has a quarter of the picture's sides and moves by half its own. It is positive
when it holds at least 30 % of a lesion, or a lesion covers at least 30 % of it; otherwise it is normal, even where it
holds a smaller part.

A window that is mostly film without breast teaches nothing and flatters every figure, so windows with too small a share of
breast are dropped, whatever their label. Breast is the largest connected area brighter than the film's dark ground.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.data.adapters import Source
from training.data.sample import Box, Sample

NORMAL, ABNORMAL = "normal", "abnormal"
# Grey level of 255 above which film isn't dark ground. Looked at on mini-MIAS: from 15 to 40 the area changes by a tenth.
GROUND = 25
OPTIONS = {"window": "0.25", "stride": "0.5", "overlap": "0.3", "breast": "0.5"}


@dataclass(frozen=True)
class Lesion:
    """`mask` bool [h, w] over the whole picture, at any resolution; `severity` benign or malignant."""

    mask: NDArray[np.bool_]
    severity: str
    extra: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Film:
    """A mammogram with its lesions: `sample` is that of the whole file, `breast` bool [h, w] at any resolution."""

    sample: Sample
    size: tuple[int, int]
    breast: NDArray[np.bool_]
    lesions: Sequence[Lesion]


def breast_area(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the breast is: the largest connected bright area, without labels and scratches; bool [h, w]."""
    areas, count = ndimage.label(grey > GROUND)
    if not count:
        return np.zeros(grey.shape, bool)
    sizes = np.bincount(areas.ravel())
    sizes[0] = 0
    return np.asarray(areas == sizes.argmax())


def slide(size: tuple[int, int], window: float, stride: float) -> Iterator[Box]:
    """Boxes row by row; the last of a row or column ends at the picture's edge."""
    lefts, tops = (_starts(side, window, stride) for side in size)
    width, height = (round(side * window) for side in size)
    for top in tops:
        for left in lefts:
            yield left, top, left + width, top + height


def _starts(side: int, window: float, stride: float) -> list[int]:
    last = side - round(side * window)
    step = max(1, round(side * window * stride))
    return [*range(0, last, step), last]


def cut(mask: NDArray[np.bool_], box: Box, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The part of a mask under a box of a picture of `size` (width, height)."""
    across, down = mask.shape[1] / size[0], mask.shape[0] / size[1]
    left, top, right, bottom = box
    return mask[round(top * down) : round(bottom * down), round(left * across) : round(right * across)]


def windows(film: Film, source: Source) -> list[Sample]:
    """The film's windows as samples. Labels of the source say what a positive is called: `abnormal`, or by its severity."""
    label_of = {label: index for index, label in enumerate(source.labels)}
    areas = [max(1, int(lesion.mask.sum())) for lesion in film.lesions]
    least, overlap = source.number("breast", 0, 1), source.number("overlap", 0.01, 1)
    samples = []
    for box in slide(film.size, source.number("window", 0.01, 1), source.number("stride", 0.01, 1)):
        breast = float(cut(film.breast, box, film.size).mean())
        if breast < least:
            continue
        held, lesion = _worst(film, areas, box)
        positive = lesion is not None and held >= overlap
        kind = NORMAL if lesion is None or not positive else ABNORMAL if ABNORMAL in label_of else lesion.severity
        if kind not in label_of:
            continue  # not asked for
        extra: dict[str, str | float] = {**film.sample.extra, "breast": round(breast, 3), "overlap": round(held, 3)}
        if lesion is not None and positive:
            extra |= {"severity": lesion.severity, **lesion.extra}
        samples.append(replace(film.sample, label=label_of[kind], box=box, extra=extra))
    return samples


def _worst(film: Film, areas: Sequence[int], box: Box) -> tuple[float, Lesion | None]:
    """The lesion of which the box shows most, and how much: the larger of its own share and the box's."""
    best: tuple[float, Lesion | None] = (0.0, None)
    for lesion, area in zip(film.lesions, areas, strict=True):
        inside = cut(lesion.mask, box, film.size)
        share = max(float(inside.sum()) / area, float(inside.mean()))
        if share > best[0]:
            best = (share, lesion)
    return best
