"""Finds the marks of a stage micrometer in a photo of one, and how far they are apart, px.

A stage micrometer is a slide with a scale of fine marks at a known distance, often 10 µm. A photo of it, taken as pictures
of tissue are, tells the size of a pixel. The marks lie at any angle, each fifth and tenth is longer, and light and focus
are as they are. So:

1. The spectrum of the photo has its strongest sharp peak across the marks: their direction, nearly.
2. Along it, the photo's bands are folded into profiles. Their autocorrelation has a peak at each distance at which marks
   repeat. The shortest one at which marks stand everywhere is theirs: where only each fifth mark fits, four are missed.
3. The phase of that period from band to band puts the direction right, and that along the scale the period.
4. Each mark is found for itself, to a fraction of a pixel. A line through their places gives the period and its error;
   what of them is missing or out of place says whether this is a micrometer at all.

Nothing is guessed: a photo that shows no marks in order raises the error that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import atan2, ceil, cos, degrees, hypot, pi, sin, sqrt

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.base.errors import MarksNotFound, MarksTooFew, MarksUneven, ReadingStopped
from device.reading.image import Limits, decode

Floats = NDArray[np.float64]

LARGEST_PX = 4_000_000  # at which a photo is searched
LEAST_PERIOD_PX = 3.5  # of marks that are still apart, at that size
SURROUNDINGS = 8  # times along the shorter side that light may change
LEAST_MARKS, LEAST_TOLD = 8, 4  # for a measurement; for there to be a scale at all
MOST_SHOWN = 400
BAND_PX, ROWS_AT_ONCE = 8, 256
FOLDED_STEP = 0.5  # px, of a profile
FINE = 8  # times finer than a profile is long: the steps of its spectrum
PEAKS_TRIED, PERIODS_TRIED = 6, 8
NEAR, NEAREST = 0.08, 8  # of a frequency, and of the steps that a whole profile tells apart, in which it is sharpened
WITH_ALL_MARKS = 0.45  # of the strongest band's wave
LEAST_LENGTH = 1.5  # of a mark, in periods
REACH = 0.25  # of a period, in which a mark is looked for beside its place
PRESENT = 0.35  # of the usual depth of a mark
LEAST_DEPTH = 0.02  # of the light around it
MISSED = 3  # marks that must follow in order to make good for a missing one
LEAST_FOUND = 0.85  # of the marks between the first and the last
LEAST_ORDER = 0.7  # of what changes along the scale, that repeats from mark to mark
MOST_SPREAD = 0.04  # of a period: how far marks lie from where they should


@dataclass(frozen=True)
class Marks:
    """The marks of a micrometer. All in pixels of the photo, upright: `period_px` from mark to mark, and its standard
    error; `lines`: for each mark found its two ends, float32 [marks, 4], as x, y, x, y; `found`: share of the places
    between the first and the last mark at which one is; `angle`: of the scale, degrees from the photo's lower edge."""

    width: int
    height: int
    period_px: float
    error_px: float
    angle: float
    found: float
    lines: NDArray[np.float32]


def measure_marks(data: bytes, limits: Limits, stop: Callable[[], bool] | None = None) -> Marks:
    """The marks in the photo of a file. Raises the `ImageError` that a reading would, `MarksNotFound`, `MarksTooFew`,
    `MarksUneven`; `ReadingStopped` where `stop`, which is asked again and again, says so."""
    image = decode(data, limits, _searched_size, stop=stop)
    height, width, _ = image.pixels.shape
    found = find_marks(image.pixels, stop)
    across, down = image.width / width, image.height / height
    # Sides are rounded to whole pixels when a large photo is reduced, so the two scales differ a little.
    stretched = hypot(across * cos(found.turn), down * sin(found.turn))
    return Marks(
        image.width,
        image.height,
        found.period * stretched,
        found.error * stretched,
        degrees(found.turn),
        found.share,
        (found.lines * np.array([across, down, across, down])).astype(np.float32),
    )


def _searched_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, sqrt(LARGEST_PX / (width * height)))
    return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class Found:
    """As `Marks`, in pixels of the array that was searched; `turn`: radians."""

    turn: float
    period: float
    error: float
    share: float
    lines: Floats


def find_marks(pixels: NDArray[np.uint8], stop: Callable[[], bool] | None = None) -> Found:
    """The marks in uint8 pixels [h, w, 3]. Raises `MarksNotFound`, `MarksTooFew`, `MarksUneven`, `ReadingStopped`."""
    grey = _levelled(pixels)
    few: MarksTooFew | MarksUneven | None = None
    for turn, rough in _directions(grey):
        if stop is not None and stop():
            raise ReadingStopped
        try:
            return _along(grey, turn, rough)
        except (MarksTooFew, MarksUneven) as error:
            few = few or error
        except MarksNotFound:
            continue
    raise few or MarksNotFound()


def _levelled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much darker each pixel is than its surroundings, as a share of their light: float32 [h, w]."""
    grey = pixels.mean(2, dtype=np.float32)
    height, width = grey.shape
    places = (
        max(2, round(SURROUNDINGS * width / min(grey.shape))),
        max(2, round(SURROUNDINGS * height / min(grey.shape))),
    )
    whole = PIL.Image.fromarray(grey)
    light = whole.resize(places, PIL.Image.Resampling.BOX).resize((width, height), PIL.Image.Resampling.BICUBIC)
    return np.asarray(1 - grey / np.maximum(np.asarray(light), 4), np.float32)


# --- the direction ---------------------------------------------------------------------------------------------------


def _directions(grey: NDArray[np.float32]) -> Iterator[tuple[float, float]]:
    """Directions across which the photo repeats, radians, the most probable first; and the frequency, 1/px, of the peak
    that says so, which may be any multiple of that of the marks."""
    height, width = grey.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None]
    spectrum = np.fft.rfft2(grey * window.astype(np.float32))
    rows, columns = np.abs(np.fft.fftfreq(height)) < 1 / LEAST_PERIOD_PX, np.fft.rfftfreq(width) < 1 / LEAST_PERIOD_PX
    power = np.abs(spectrum[np.ix_(rows, columns)]) ** 2
    across = np.broadcast_to(np.fft.rfftfreq(width)[columns][None], power.shape)
    down = np.broadcast_to(np.fft.fftfreq(height)[rows][:, None], power.shape)
    frequency = np.hypot(across, down)
    usable = (frequency > 2 * LEAST_MARKS / hypot(width, height)) & (frequency < 1 / LEAST_PERIOD_PX)
    # Any picture has less power at higher frequencies: what counts is what stands out among its own.
    rings = np.minimum((np.log2(np.maximum(frequency, 1e-9)) * 6 + 80).astype(np.intp).clip(0), 79)
    typical = np.bincount(rings.ravel(), power.ravel(), 80) / np.maximum(np.bincount(rings.ravel(), minlength=80), 1)
    standing_out = np.where(usable, power / np.maximum(typical[rings], 1e-12), 0)
    reach = 3
    for _ in range(PEAKS_TRIED):
        row, column = divmod(int(standing_out.argmax()), standing_out.shape[1])
        if standing_out[row, column] <= 0:
            return
        part = np.ix_(
            np.arange(row - reach, row + reach + 1) % power.shape[0],
            np.arange(max(0, column - reach), min(power.shape[1], column + reach + 1)),
        )
        weight = standing_out[part]
        x, y = float((across[part] * weight).sum()), float((down[part] * weight).sum())
        yield atan2(y, x), hypot(x, y) / float(weight.sum())
        standing_out[part] = 0


# --- along the scale -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folded:
    """The photo's bands along a direction as profiles: how dark on the mean at each step along it, less the band's own
    mean, float64 [bands, steps], 0 where a band has no pixel; where the first step and the first band lie, px from the
    photo's corner."""

    values: Floats
    start: float
    top: float
    band_px: int

    @cached_property
    def power(self) -> Floats:
        """Of each frequency in all bands together, `FINE` times finer than the profiles are long."""
        length = FINE * self.values.shape[1]
        power = np.zeros(length // 2 + 1)
        for band in self.values:  # one by one: all at once take a hundred megabytes
            power += np.abs(np.fft.rfft(band, length)) ** 2
        return power

    @property
    def finest(self) -> float:
        """The step from one frequency of `power` to the next, 1/px."""
        return float(1 / (FINE * self.values.shape[1] * FOLDED_STEP))


def _folded(grey: NDArray[np.float32], turn: float, band_px: int = BAND_PX) -> Folded:
    height, width = grey.shape
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    corners = [(u, v) for u in (x[0], x[-1]) for v in (y[0], y[-1])]
    along = [u * cos(turn) + v * sin(turn) for u, v in corners]
    across = [v * cos(turn) - u * sin(turn) for u, v in corners]
    start, top = min(along), min(across)
    steps = ceil((max(along) - start) / FOLDED_STEP) + 1
    bands = ceil((max(across) - top) / band_px) + 1
    count, total = np.zeros(bands * steps, np.intp), np.zeros(bands * steps)
    for first in range(0, height, ROWS_AT_ONCE):
        v = y[first : first + ROWS_AT_ONCE, None]
        step = (x * (cos(turn) / FOLDED_STEP) + (v * sin(turn) - start) / FOLDED_STEP).astype(np.int32)
        band = ((v * cos(turn) - top) / band_px - x * (sin(turn) / band_px)).astype(np.int32)
        cells = (band * steps + step).ravel()
        count += np.bincount(cells, minlength=bands * steps)
        total += np.bincount(cells, grey[first : first + ROWS_AT_ONCE].ravel(), bands * steps)
    count, total = count.reshape(bands, steps), total.reshape(bands, steps)
    return Folded(_filled(total, count), start, top, band_px)


def _filled(total: Floats, count: NDArray[np.intp]) -> Floats:
    """Means, less that of the whole band; a step that no pixel fell into between others takes its neighbours'."""
    wider_total, wider_count = total.copy(), count.astype(np.float64)
    for shift in (-1, 1):
        wider_total += np.roll(total, shift, 1)
        wider_count += np.roll(count, shift, 1)
    means = np.where(count > 0, total / np.maximum(count, 1), wider_total / np.maximum(wider_count, 1))
    inside = wider_count > 0
    of_bands = means.sum(1, keepdims=True) / np.maximum(inside.sum(1, keepdims=True), 1)
    return np.where(inside, means - of_bands, 0)


def _along(grey: NDArray[np.float32], turn: float, rough: float) -> Found:
    """The marks across a direction. Raises `MarksNotFound`, `MarksTooFew`, `MarksUneven`."""
    folded = _folded(grey, turn)
    for _ in range(2):  # the peak in the spectrum has the direction, but not to the last hundredth
        turn += _turn_of_phase(folded, _sharpened(folded, rough))
        folded = _folded(grey, turn)
    failed: MarksTooFew | MarksUneven | None = None
    for period in _periods(folded):
        try:
            return _fitted(folded, turn, period)
        except (MarksTooFew, MarksUneven) as error:
            failed = failed or error
        except MarksNotFound:
            continue
    raise failed or MarksNotFound()


def _waves(folded: Folded, frequency: float) -> NDArray[np.complex128]:
    """Strength and phase of a frequency, 1/px, in each band."""
    steps = folded.start + FOLDED_STEP * (np.arange(folded.values.shape[1]) + 0.5)
    return np.asarray(folded.values @ np.exp(-2j * pi * frequency * steps))


def _turn_of_phase(folded: Folded, frequency: float) -> float:
    """By how much, radians, the direction is wrong: across a true one, all bands have the same phase."""
    waves = _waves(folded, frequency)
    turning = np.sum(waves[1:] * np.conj(waves[:-1]))
    slope = float(np.angle(turning)) / folded.band_px
    return slope / (2 * pi * frequency)


def _periods(folded: Folded) -> list[float]:
    """Distances, px, at which the profiles repeat: those of peaks of their autocorrelation, the shortest first."""
    steps = folded.values.shape[1]
    correlation = np.fft.irfft(folded.power)[: steps // 2]
    correlation *= steps / (steps - np.arange(len(correlation)))  # fewer steps overlap at a longer distance
    least = round(LEAST_PERIOD_PX / FOLDED_STEP)
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]))
    peaks = peaks[peaks >= least]
    if not len(peaks):
        return []
    strong = peaks[correlation[peaks] >= 0.25 * correlation[peaks].max()]
    return [float(_vertex(correlation, each)) * FOLDED_STEP for each in strong[:PERIODS_TRIED]]


def _vertex(values: Floats, peak: int) -> float:
    """The place of a peak between steps: of a parabola through it and its neighbours."""
    before, at, after = values[peak - 1 : peak + 2]
    curvature = before - 2 * at + after
    return peak + (0.5 * (before - after) / curvature if curvature else 0.0)


def _fitted(folded: Folded, turn: float, period: float) -> Found:
    """The marks at about this distance. Raises `MarksNotFound`, `MarksTooFew`, `MarksUneven`."""
    frequency = _sharpened(folded, 1 / period)
    bands = _bands_with(folded, frequency)
    if len(bands) < 2 or len(bands) * folded.band_px * frequency < LEAST_LENGTH:
        raise MarksNotFound()
    profile = folded.values[bands].mean(0)
    places, numbers = _places(profile, 1 / frequency / FOLDED_STEP, _phase(profile, frequency))
    first, last = folded.top + folded.band_px * bands[0], folded.top + folded.band_px * (bands[-1] + 1)
    step, error, spread = _line_through(numbers, places)
    if spread > MOST_SPREAD * step:
        raise MarksUneven(spread_percent=round(100 * spread / step, 1))
    at = folded.start + FOLDED_STEP * (places[:MOST_SHOWN] + 0.5)
    ends = [(at * cos(turn) - v * sin(turn), at * sin(turn) + v * cos(turn)) for v in (first, last)]
    lines = np.stack([*ends[0], *ends[1]], 1)
    share = len(numbers) / (numbers[-1] - numbers[0] + 1)
    return Found(turn, step * FOLDED_STEP, error * FOLDED_STEP, float(share), lines)


def _sharpened(folded: Folded, frequency: float) -> float:
    """The frequency, 1/px, at which all marks together agree best."""
    places = np.arange(len(folded.power))
    about = frequency / folded.finest
    near = places[np.abs(places - about) < min(NEAR * about, NEAREST * FINE)]
    if not len(near):
        return frequency  # so low a one that its neighbours are others
    return float(near[int(folded.power[near].argmax())] * folded.finest)


def _bands_with(folded: Folded, frequency: float) -> NDArray[np.intp]:
    """The numbers of neighbouring bands in which all marks stand: where only long ones reach, they are weaker."""
    strength = np.abs(_waves(folded, frequency))
    best = int(strength.argmax())
    weak = np.flatnonzero(strength < WITH_ALL_MARKS * strength[best])
    first = weak[weak < best].max(initial=-1) + 1
    last = weak[weak > best].min(initial=len(strength)) - 1
    return np.arange(first, last + 1)


def _phase(profile: Floats, frequency: float) -> float:
    """Where a wave of this frequency has its first crest in a profile, steps."""
    steps = np.arange(len(profile)) * FOLDED_STEP
    wave = complex(profile @ np.exp(-2j * pi * frequency * steps))
    return (-float(np.angle(wave)) % (2 * pi)) / (2 * pi * frequency * FOLDED_STEP)


def _places(profile: Floats, period: float, phase: float) -> tuple[Floats, NDArray[np.intp]]:
    """Where marks are in a profile, steps, and their numbers in the scale; `period` and `phase` in steps. Raises
    `MarksNotFound`, `MarksTooFew`."""
    profile, shift = _upright(profile, period, phase)
    expected = phase + shift + period * np.arange(-1, len(profile) / period + 1)
    reach = max(1, round(REACH * period))
    expected = expected[(expected >= 2 * reach) & (expected < len(profile) - 2 * reach)]
    peaks = np.array([_peak(profile, at, reach) for at in expected])
    if len(peaks) < LEAST_TOLD:
        raise MarksNotFound()
    first, last, present = _row_of_marks(peaks[:, 1])
    ordered = _order_of(profile, expected[first], expected[last], period)
    if len(present) < max(LEAST_TOLD, LEAST_FOUND * (last - first + 1)) or ordered < LEAST_ORDER:
        raise MarksNotFound()
    if len(present) < LEAST_MARKS:
        raise MarksTooFew(marks=len(present), least=LEAST_MARKS)
    return peaks[present, 0], present


def _upright(profile: Floats, period: float, phase: float) -> tuple[Floats, float]:
    """The profile with marks up, be they darker or brighter than their ground, and how far its marks are from the crests of
    the wave, steps: marks are narrower than what is between them."""
    place = ((np.arange(len(profile)) - phase) / period) % 1
    around = (place < 0.25) | (place >= 0.75)
    crests, troughs = profile[around], profile[~around]
    up, down = crests - np.median(profile), np.median(profile) - troughs
    if float((up**3).mean()) >= float((down**3).mean()):
        return profile, 0.0
    return -profile, period / 2


def _peak(profile: Floats, expected: float, reach: int) -> tuple[float, float]:
    """The place of the mark near an expected one, steps, and how far it rises over the ground around it."""
    middle = round(expected)
    near = profile[middle - reach : middle + reach + 1]
    ground = float(np.median(profile[middle - 2 * reach : middle + 2 * reach + 1]))
    rise = near - ground
    depth = float(rise.max())
    weight = np.maximum(rise - 0.5 * depth, 0) if depth > 0 else np.ones_like(rise)
    return middle - reach + float((weight * np.arange(len(near))).sum() / max(weight.sum(), 1e-12)), depth


def _row_of_marks(depth: Floats) -> tuple[int, int, NDArray[np.intp]]:
    """The places, by number, of the first and the last mark of the longest row, and of all its marks. How deep a mark of
    this photo is comes from the deepest few, or more, or most: the scale may be a small part of the photo."""
    deepest = np.sort(depth)[::-1]
    rows = []
    for count in (LEAST_MARKS, 2 * LEAST_MARKS, 4 * LEAST_MARKS, len(depth)):
        usual = float(np.median(deepest[:count]))
        if usual >= LEAST_DEPTH:
            present = depth >= PRESENT * usual
            first, last = _longest_run(present)
            rows.append((first, last, first + np.flatnonzero(present[first : last + 1])))
    if not rows:
        raise MarksNotFound()
    return max(rows, key=lambda row: len(row[2]) - MISSED * (row[1] - row[0] + 1 - len(row[2])))


def _longest_run(present: NDArray[np.bool_]) -> tuple[int, int]:
    """First and last of the marks that stand in one row, single ones missing."""
    best, at, start = (0, 0, 0), 0, 0
    for place, here in enumerate(present):
        at += 1 if here else -MISSED
        if at <= 0:
            at, start = 0, place + 1
        elif at > best[0]:
            best = at, start, place
    return best[1], best[2]


def _order_of(profile: Floats, first: float, last: float, period: float) -> float:
    """What share of a profile's changes between two places repeats from mark to mark, 0 to 1."""
    part = profile[max(0, round(first - period / 2)) : round(last + period / 2)]
    bins = max(3, min(24, int(period)))
    place = (((np.arange(len(part)) / period) % 1) * bins).astype(np.intp)
    count = np.bincount(place, minlength=bins)
    mean = np.bincount(place, part, bins) / np.maximum(count, 1)
    varied = float(part.var())
    return float(((mean - part.mean()) ** 2 * count).sum() / len(part) / varied) if varied else 0.0


def _line_through(numbers: NDArray[np.intp], places: Floats) -> tuple[float, float, float]:
    """Of places at numbers: the step from one to the next, its standard error, and how far they lie from the line."""
    centred = numbers - numbers.mean()
    squares = float((centred**2).sum())
    step = float((centred * places).sum()) / squares
    rest = places - places.mean() - step * centred
    spread = float(np.sqrt((rest**2).sum() / (len(places) - 2)))
    return step, spread / sqrt(squares), spread
