"""A section: a picture larger than the field that the model reads at once, read window by window at the model's own scale.

This needs the size of the picture's pixels. A window has about the area that the model knows. Windows overlap by half, and
each window's decision stands for the cell in its middle, so every place is judged with its surroundings. Each window goes
through the same network and the same gate as a field. At the section's edge windows are moved inwards, so nothing is
padded.

A window whose cell is bare glass is not read. A window that the gate refuses is foreign and left out of the map. One that
is refused and mostly glass counts as glass: no model has learned from the tissue's edge. The section is

- refused as blank when it has no window with tissue,
- refused when more than half of its windows with tissue are foreign, for the reason of most of them,
- otherwise accepted; with caution when more than `CAUTION_SHARE` are foreign (the gate itself refuses up to one in twenty
  proper pictures), or when the median window is one to be cautious about.

Of each window the section keeps the gate's answer and the pooled features, [rows, columns, channels], but no pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan, sqrt
from statistics import median
from time import perf_counter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from device.base.errors import (
    ECHOED_CHARACTERS,
    FieldTooCoarse,
    FieldTooSmall,
    ReadingStopped,
    ScaleInvalid,
    SectionTooLarge,
    echoed,
)
from device.reading.gate import Answer, Gate, Verdict
from device.reading.image import MULTIPLE_PX, Image, SizeRule
from device.reading.maps import Head
from device.reading.runtime import Network
from device.reading.site.instrument import HIGHEST_UM_PER_PX, LOWEST_UM_PER_PX
from device.reading.site.stain import SiteColour
from device.reading.tissue import GLASS_BELOW, is_tissue

MOST_ENLARGED = 4  # times per side: of sixteen pixels that a model would see, the picture has one
MOST_STRETCHED = 0.03  # of a field's side, so that it is a multiple of 32: a scale is hardly known better
WHOLE_UP_TO = 1.5  # times the model's area: so large a picture is still read whole
STEPS = 2  # windows that start within one window's side; docs/researchers/evaluation.md has what others give
LEAST_PX = 2 * MULTIPLE_PX
LEAST_FILE_PX = 32  # of a file's side where the scale is known: how much tissue it shows then decides
EDGE_BELOW = 0.5  # share of a refused window that is tissue
CAUTION_SHARE = 0.1
GLASS, FOREIGN, READ = 0, 1, 2
# Is shown what the network read, uint8 [h, w, 3], and its outputs by name.
Seen: TypeAlias = Callable[[NDArray[np.uint8], Mapping[str, NDArray[np.int8]]], None]
BLANK = "blank"


@dataclass(frozen=True)
class Section:
    """What the windows of a section gave. `states`: uint8 [rows, columns], `GLASS`, `FOREIGN` or `READ`; `features`:
    float32 [rows, columns, channels], each read window's mean features in integer steps (`Head.pool`), NaN
    elsewhere; `strangeness`: float32 [rows, columns], a window's greatest distance over its threshold, above 1 where it is
    foreign, 0 where it is glass; `reasons`: how many windows the gate refused for which reason; `window_px`: (width,
    height) of a window in pixels of the picture that was read."""

    states: NDArray[np.uint8]
    features: NDArray[np.float32]
    strangeness: NDArray[np.float32]
    reasons: Mapping[str, int]
    window_px: tuple[int, int]
    timings_ms: Mapping[str, float]

    def count(self, state: int) -> int:
        """How many windows are in a state."""
        return int(np.count_nonzero(self.states == state))

    @property
    def foreign_share(self) -> float:
        """Foreign windows among those with tissue; 0 where there is no tissue."""
        foreign = self.count(FOREIGN)
        return foreign / max(1, foreign + self.count(READ))

    @property
    def caution(self) -> bool:
        return self.foreign_share > CAUTION_SHARE


def parse_um_per_px(text: str) -> float:
    """The size of a pixel as somebody wrote it, µm. Raises `ScaleInvalid`."""
    try:
        value = float(text) if len(text) <= ECHOED_CHARACTERS else nan
    except ValueError:
        value = nan
    return check_um_per_px(value, str(echoed(text)))


def check_um_per_px(value: float, given: str | None = None) -> float:
    """The value again. Raises `ScaleInvalid` where no microscope, scanner or mammograph has such pixels."""
    if not isfinite(value) or not LOWEST_UM_PER_PX <= value <= HIGHEST_UM_PER_PX:
        raise ScaleInvalid(given=value if given is None else given, least=LOWEST_UM_PER_PX, most=HIGHEST_UM_PER_PX)
    return value


def true_size(um_per_px: float, model_um_per_px: float, area_px: int, max_megapixels: float) -> SizeRule:
    """The rule by which a picture gets the model's scale: its size in pixels of `model_um_per_px`. A side of what is read
    whole that nearly is a multiple of 32, as a network needs, becomes one; `as_field` sees to the others.

    The rule raises `FieldTooCoarse`, `SectionTooLarge` and `FieldTooSmall`, before anything is decoded.
    """
    scale = um_per_px / model_um_per_px

    def size(width: int, height: int) -> tuple[int, int]:
        if scale > MOST_ENLARGED:
            most = MOST_ENLARGED * model_um_per_px
            raise FieldTooCoarse(um_per_px=um_per_px, model_um_per_px=model_um_per_px, most_um_per_px=round(most, 2))
        across, down = width * scale, height * scale
        megapixels = across * down / 1e6
        if megapixels > max_megapixels:
            raise SectionTooLarge(um_per_px=um_per_px, megapixels=round(megapixels, 1), limit_megapixels=max_megapixels)
        if min(across, down) < LEAST_PX:
            raise FieldTooSmall(
                um_per_px=um_per_px,
                width_um=round(width * um_per_px),
                height_um=round(height * um_per_px),
                minimum_um=round(LEAST_PX * model_um_per_px),
            )
        whole = round(across), round(down)
        if _exceeds_field(*whole, area_px):
            return whole
        return _nearly_whole(across), _nearly_whole(down)

    return size


def _nearly_whole(side: float) -> int:
    """A side at the model's scale, px: a multiple of 32 where that is as long within `MOST_STRETCHED`, else rounded."""
    places = round(side / MULTIPLE_PX) * MULTIPLE_PX
    return places if abs(places / side - 1) <= MOST_STRETCHED else round(side)


def as_field(image: Image, area_px: int) -> Image:
    """A picture that a rule of `true_size` brought to scale, as it is read: unless it is a section, its sides become the
    nearest multiples of 32, alike on both ends. What is too long is cut; what is too short goes on mirrored, at most 8 px
    at each end. So the scale stays true, and little is lost."""
    height, width, _ = image.pixels.shape
    (top, bottom), (left, right) = _whole_places(height), _whole_places(width)
    if (top, bottom, left, right) == (0, height, 0, width) or is_section(image.pixels, area_px):
        return image
    kept = image.pixels[max(0, top) : bottom, max(0, left) : right]
    mirrored = ((max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width)), (0, 0))
    across, down = image.width / width, image.height / height
    return replace(
        image,
        pixels=np.pad(kept, mirrored, mode="symmetric"),
        covered=(left * across, top * down, right * across, bottom * down),
    )


def _whole_places(side: int) -> tuple[int, int]:
    """Where the nearest whole number of places begins and ends along a side, px: below 0 and beyond it where they are
    longer."""
    places = max(LEAST_PX, round(side / MULTIPLE_PX) * MULTIPLE_PX)
    start = (side - places) // 2
    return start, start + places


def is_section(pixels: NDArray[np.uint8], area_px: int) -> bool:
    """Whether a picture at the model's scale is too large to be read whole."""
    height, width, _ = pixels.shape
    return _exceeds_field(width, height, area_px)


def _exceeds_field(width: int, height: int, area_px: int) -> bool:
    return width * height > WHOLE_UP_TO * area_px


def _side(area_px: int) -> int:
    return max(LEAST_PX, round(sqrt(area_px) / MULTIPLE_PX) * MULTIPLE_PX)


def window_of(length: int, side: int) -> int:
    """How long a window is along an axis of `length` px: a side, or what fits."""
    return min(side, length // MULTIPLE_PX * MULTIPLE_PX)


def grid_of(length: int, side: int, steps: float = STEPS) -> tuple[list[int], NDArray[np.int64]]:
    """Along one axis of `length` px: where each window starts, and the borders of the cells that they stand for, int64
    [cells + 1]."""
    if length <= side:
        return [(length - window_of(length, side)) // 2], np.array([0, length])
    cells = round(length * steps / side)
    borders = np.round(np.arange(cells + 1) * length / cells).astype(np.int64)
    middles = (borders[1:] + borders[:-1] - side) // 2
    return np.clip(middles, 0, length - side).tolist(), borders


def tissue_of(strip: NDArray[np.uint8], borders: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of tissue in each cell of a strip, uint8 [h, w, 3] → float64 [cells]."""
    in_column = is_tissue(strip).mean(0)
    return np.asarray(np.add.reduceat(in_column, borders[:-1]) / np.diff(borders))


def read_section(
    image: Image, area_px: int, network: Network, gate: Gate, head: Head, steps: float = STEPS,
    stop: Callable[[], bool] | None = None, seen: Seen | None = None, colour: SiteColour | None = None,
) -> tuple[Verdict, Section]:  # fmt: skip
    """Read a picture that is at the model's scale window by window. `head` pools each window's features; `steps` says how
    many windows start within one window's side. `stop` is asked at each window whether to give up, which raises
    `ReadingStopped`; `seen` is shown pixels and outputs of each window that counts as tissue; `colour` is a
    clinic's, with which the windows are read."""
    height, width, _ = image.pixels.shape
    side = _side(area_px)
    (tops, down), (lefts, across) = grid_of(height, side, steps), grid_of(width, side, steps)
    window_px = window_of(width, side), window_of(height, side)
    source = round(window_px[0] * image.width / width), round(window_px[1] * image.height / height)
    states = np.full((len(tops), len(lefts)), GLASS, np.uint8)
    features = np.full((*states.shape, len(head.weights)), np.nan, np.float32)
    verdicts: dict[tuple[int, int], Verdict] = {}
    took = {"network": 0.0, "maps": 0.0, "gate": 0.0}
    for row, column, pixels in _windows(image.pixels, tops, lefts, down, across, window_px):
        if stop is not None and stop():
            raise ReadingStopped
        start = perf_counter()
        if colour is not None:
            pixels = colour.apply(pixels)
        outputs = network.run(pixels)
        ran = perf_counter()
        verdict = gate.judge(replace(image, pixels=pixels, width=source[0], height=source[1]), outputs, true_scale=True)
        judged = perf_counter()
        if verdict.accepted or (verdict.reason != BLANK and is_tissue(pixels).mean() >= EDGE_BELOW):
            verdicts[row, column] = verdict
            states[row, column] = READ if verdict.accepted else FOREIGN
            if seen is not None:
                seen(pixels, outputs)
        if verdict.accepted:
            features[row, column] = head.pool(outputs["features"], pixels)
        took["network"] += (ran - start) * 1e3
        took["gate"] += (judged - ran) * 1e3
        took["maps"] += (perf_counter() - judged) * 1e3
    reasons = Counter(verdict.reason for verdict in verdicts.values() if verdict.reason)
    strangeness = np.zeros(states.shape, np.float32)
    for place, verdict in verdicts.items():
        strangeness[place] = max(answer.excess for answer in verdict.answers)
    section = Section(states, features, strangeness, dict(reasons.most_common()), window_px, took)
    return _judge(verdicts, section), section


def _windows(
    pixels: NDArray[np.uint8], tops: Sequence[int], lefts: Sequence[int], down: NDArray[np.int64],
    across: NDArray[np.int64], window_px: tuple[int, int],
) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:  # fmt: skip
    """Row, column and pixels of each window whose cell holds tissue."""
    wide, high = window_px
    for row, top in enumerate(tops):
        tissue = tissue_of(pixels[down[row] : down[row + 1]], across)
        for column in np.flatnonzero(tissue >= GLASS_BELOW).tolist():
            left = lefts[column]
            yield row, column, np.ascontiguousarray(pixels[top : top + high, left : left + wide])


def _judge(verdicts: Mapping[tuple[int, int], Verdict], section: Section) -> Verdict:
    """One verdict of all windows with tissue. A question's answer is that of the median window. Where the section is
    foreign stands in the section, so that a single odd window is no cause for caution."""
    if not verdicts:
        return Verdict((), BLANK, variant="glass")
    # A stable order: with equal counts, the reason that came first in reading order.
    reason = next(iter(section.reasons)) if section.foreign_share > 0.5 else None
    refused = [verdict for verdict in verdicts.values() if verdict.reason == reason]
    failures = Counter(answer.question for verdict in refused for answer in verdict.answers if not answer.passed)
    failed = failures.most_common(1)[0][0] if reason else None
    answers = tuple(
        _median_answer([verdict.answers[number] for verdict in verdicts.values()], failed)
        for number in range(len(next(iter(verdicts.values())).answers))
    )
    if reason is None:
        return Verdict(answers, None)
    variants = Counter(verdict.variant for verdict in refused)
    ratios = [verdict.magnification for verdict in refused if verdict.magnification is not None]
    return Verdict(
        answers,
        reason,
        variant=variants.most_common(1)[0][0],
        magnification=median(ratios) if ratios else None,
    )


def _median_answer(answers: Sequence[Answer], failed: str | None) -> Answer:
    middle = sorted(answers, key=lambda answer: answer.score)[(len(answers) - 1) // 2]
    return replace(middle, passed=middle.passed and middle.question != failed)
