"""The gate: it decides whether the box gives a reading of a picture at all.

It asks four questions, each with its own reasons and next steps: can the *picture* be judged (light, focus, tissue, size);
is it at the *scale* that the model knows; is it *made* like the pictures that the model knows (stain, scanner: the
network's early layer); does it *show* what the model knows (its middle layer).

- `made` and `shows` are Mahalanobis distances of a layer's mean over the picture from the means of proper pictures.
- `scale` is the distance, in octaves, of the picture's magnification from that of proper pictures; a linear rule reads the
  magnification off both means.

Each is divided by its own 95 % quantile over proper pictures, so the three have one unit and share one threshold: that of
the bundle's `promise`, found on pictures that neither network nor gate had seen. The promise states the largest share of
proper pictures that the gate refuses, and with what confidence (`device/reading/rate_bound.py`). A question's p-value is
the share of those pictures, the new one among them, that are at least as strange.

At a clinic that was commissioned, spaces, offset of the scale, threshold and pictures to compare with are the clinic's
(`device/reading/site/fit.py`).

The words of a refusal follow the picture's own colours where these say more (`device/reading/colours.py`).

The gate uses the integer network's outputs, never quantized probabilities. It costs far less than the network, whose graph
averages the layers to cells first. A coarse map of the cells shows where a picture is foreign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from device.reading.bundle import Bundle
from device.reading.colours import colours_of
from device.reading.distance import distance
from device.reading.image import Image
from device.reading.manifest import CellSpace, Space
from device.reading.runtime import Quantization
from device.reading.site.spaces import Rows
from device.reading.site.stain import colours_of_tissue
from device.reading.tissue import is_tissue

if TYPE_CHECKING:
    from device.reading.site.records import SiteFit

HISTOLOGY = "histology"
PICTURE, SCALE, MADE, SHOWS = "picture", "scale", "made", "shows"
LAYERS = {MADE: "early", SHOWS: "middle"}
REASON_OF_QUESTION = {MADE: "wrong_stain_or_scanner", SHOWS: "unknown_content", SCALE: "wrong_magnification"}
PICTURE_REASONS = ("too_small", "exposure", "blank", "blurred")
GREY, COLOURED, IMMUNOSTAIN = "grey", "coloured", "immunostain"
OTHER_KIND = (GREY, COLOURED)  # variants: the picture's own colours are not those of anything that the model reads
VARIANTS = (
    "exposure_dark",
    "exposure_bright",
    "blank_glass",
    "wrong_magnification_soft",
    *(f"{REASON_OF_QUESTION[MADE]}_{variant}" for variant in (*OTHER_KIND, IMMUNOSTAIN)),
    "too_small_scaled",
)  # reasons with words of their own for some cause
REASONS = (*PICTURE_REASONS, "wrong_magnification", "wrong_stain_or_scanner", "unknown_content")
CAUTION_BELOW_P = 0.05
MOST_OCTAVES = 10  # a thousand times too large: a rule whose weights say more is no rule
FAR_PX = 6
ROUNDING = 0.35  # mean difference of neighbours in a smooth picture that is rounded to whole grey levels
ROW_STEP = 16  # statistics of light and focus look at every sixteenth row of pixels


@dataclass(frozen=True)
class Answer:
    """One question's outcome. `score` grows with strangeness; `threshold` is the greatest that passes."""

    question: str
    passed: bool
    score: float
    threshold: float
    p_value: float | None = None

    @property
    def excess(self) -> float:
        """The score over its threshold: above 1 it failed."""
        return self.score / self.threshold


@dataclass(frozen=True)
class Verdict:
    """The gate's decision: `reason` is the code of the first question that failed, None when accepted, and `variant` sets
    its words apart where it has several. `magnification` says how many times too large (2.0) or small (0.5) structures
    appear, where it can be told. `strangeness`: float32 [rows, columns] over the picture, above 1 where it is foreign."""

    answers: tuple[Answer, ...]
    reason: str | None
    variant: str | None = None
    magnification: float | None = None
    strangeness: NDArray[np.float32] | None = None

    @property
    def accepted(self) -> bool:
        return self.reason is None

    @property
    def other_kind(self) -> bool:
        """Refused, and by its own colours no picture of the model's modality."""
        return self.variant in OTHER_KIND

    @property
    def foreign(self) -> bool:
        """Stranger than the model's limit in scale, making or content, whatever it is refused for."""
        return any(answer.p_value is not None and not answer.passed for answer in self.answers)

    @property
    def caution(self) -> bool:
        """Accepted, but on some question rarer than one proper picture in twenty, or foreign in a part."""
        rare = any(answer.p_value is not None and answer.p_value < CAUTION_BELOW_P for answer in self.answers)
        return self.accepted and (rare or self.partly_foreign)

    @property
    def partly_foreign(self) -> bool:
        """Some place of the picture is stranger than any place in nearly all proper pictures."""
        return self.strangeness is not None and bool((self.strangeness > 1).any())


@dataclass(frozen=True)
class PictureStatistics:
    """What the first question looks at: luminance and contrast 0…255, tissue as a share of pixels, sharpness a ratio."""

    contrast: float
    tissue: float
    luminance: float
    sharpness: float


def picture_statistics(pixels: NDArray[np.uint8]) -> PictureStatistics:
    """Statistics of uint8 pixels [h, w, 3] at the scale that the model works at.

    Sharpness is how much neighbours differ, less what rounding to 8 bits alone makes of them, over how much pixels six
    apart do: it falls steadily with blur and hardly with contrast.
    """
    planes = np.ascontiguousarray(pixels[ROW_STEP // 2 :: ROW_STEP].transpose(2, 0, 1))
    red, green, blue = planes.astype(np.int16)
    sums = (red + green + blue).ravel()
    total = int(sums.sum(dtype=np.int64))
    exact = sums.astype(np.float64)
    squares = float(exact @ exact)
    mean = total / sums.size
    near = np.abs(green[:, 1:] - green[:, :-1]).sum(dtype=np.int64) / green[:, 1:].size
    far = np.abs(green[:, FAR_PX:] - green[:, :-FAR_PX]).sum(dtype=np.int64) / green[:, FAR_PX:].size
    return PictureStatistics(
        contrast=max(squares / sums.size - mean**2, 0.0) ** 0.5 / 3,
        tissue=int(np.count_nonzero(is_tissue(planes.transpose(1, 2, 0)))) / red.size,
        luminance=mean / 3,
        sharpness=max(float(near) - ROUNDING, 0.0) / (float(far) + ROUNDING),
    )


def cells(output: NDArray[np.int8], zero_point: int) -> NDArray[np.float32]:
    """An int8 output [rows, columns, channels] in steps above zero: whole numbers whose sums are exact, so that
    every machine comes to the same score."""
    return output.astype(np.float32) - np.float32(zero_point)


def mean_of(cells: NDArray[np.float32], scale: float) -> NDArray[np.float64]:
    """Cells [rows, columns, channels] → their mean [channels], real units."""
    flat = cells.reshape(-1, cells.shape[-1])
    return (np.ones(len(flat), np.float32) @ flat).astype(np.float64) * (scale / len(flat))


def coarse(cells: NDArray[np.float32], scale: float) -> NDArray[np.float64]:
    """Cells [rows, columns, channels] → means of 2 × 2 cells, at an odd edge of fewer [⌈rows/2⌉, ⌈columns/2⌉, channels],
    real units."""
    rows, columns, channels = cells.shape
    if rows % 2 or columns % 2:
        cells = np.pad(cells, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
    across = cells.reshape(-1, 2 * channels)
    pairs = (across[:, :channels] + across[:, channels:]).reshape(-(-rows // 2), 2, -1, channels)
    return (pairs[:, 0] + pairs[:, 1]).astype(np.float64) * (scale / 4)


def questions_of(parts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The parts' scores [6, n] of `device/reading/site/spaces.py` → each question's [n]."""
    return {SCALE: parts[0], MADE: parts[1:3].max(0), SHOWS: parts[3:].max(0)}


def conformal_p(score: float, calibration: NDArray[np.float64]) -> float:
    """Share of pictures, the new one among them, that are at least as strange. `calibration` is sorted."""
    at_least = len(calibration) - int(np.searchsorted(calibration, score, side="left"))
    return (1 + at_least) / (1 + len(calibration))


class Gate:
    """The gate of one bundle, as it was packed or, with a `site`, as it was fitted to a clinic."""

    def __init__(self, bundle: Bundle, site: SiteFit | None = None) -> None:
        rules, outputs = bundle.manifest.gate, bundle.manifest.network.outputs

        def array(member: str) -> NDArray[np.float64]:
            return bundle.array(member).astype(np.float64)

        def space(table: Space | CellSpace) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return array(table.centre), array(table.whitening)

        self._site = site.spaces if site is not None else None
        self._modality = bundle.manifest.modality
        self._limits = rules.picture
        self._area_px = bundle.manifest.preprocessing.area_px
        self._threshold = rules.promise.threshold
        self._quantization = {q: Quantization(outputs[o].scale, outputs[o].zero_point) for q, o in LAYERS.items()}
        self._spaces = {MADE: space(rules.made), SHOWS: space(rules.shows)}
        self._own_centre = array(rules.made.centre)
        self._scale_weights, self._intercept = array(rules.scale.weights), rules.scale.intercept
        self._octave = rules.scale.octaves
        self._ratios = np.log2(rules.scale.ratios)
        self._centres, self._alike = array(rules.scale.centres), rules.scale.alike
        self._cells, self._cell_limit = space(rules.cells), rules.cells.limit
        calibration = rules.calibration_scores
        if site is not None:
            self._threshold = site.promise.threshold
            self._spaces[MADE] = site.spaces.made.centre, site.spaces.made.whitening
            self._cells, self._cell_limit = (site.cells.centre, site.cells.whitening), site.cell_limit
            calibration = site.calibration_scores
        self._calibration = {q: np.sort(np.asarray(scores)) for q, scores in calibration.items()}

    def judge(
        self,
        image: Image,
        outputs: Mapping[str, NDArray[np.int8]],
        *,
        true_scale: bool = False,
        given: NDArray[np.uint8] | None = None,
    ) -> Verdict:
        """A decoded picture, its pixels as the network saw them, and the network's integer outputs → a verdict.
        `true_scale`: it is read at the model's own scale, however small an area it shows, and not as a whole field.
        `given`: the pixels that the network got, where they are more than the picture's. At a clinic the tissue's colours
        are of all of them, as its outputs are: commissioning was shown the same (`Seen`)."""
        grids = {q: cells(outputs[output], self._quantization[q].zero_point) for q, output in LAYERS.items()}
        means = {question: mean_of(grid, self._quantization[question].scale) for question, grid in grids.items()}
        octaves = float(np.concatenate([means[MADE], means[SHOWS]]) @ self._scale_weights) + self._intercept
        statistics = picture_statistics(image.pixels)
        picture, reason, variant = self._picture(image, statistics, true_scale)
        if self._site is None:
            scores = {
                SCALE: abs(octaves) / self._octave,
                **{question: float(distance(means[question], *self._spaces[question])) for question in LAYERS},
            }
        else:
            colours = colours_of_tissue(image.pixels if given is None else given, self._modality)
            rows = Rows(means[MADE][None], means[SHOWS][None], colours[None])
            found = questions_of(self._site.parts(rows, np.array([octaves])))
            scores = {question: float(score) for question, (score,) in found.items()}
            octaves -= self._site.octaves
        answers = (picture, *(self._answer(question, score) for question, score in scores.items()))
        magnification = None
        if reason is None:
            reason, magnification = self._foreign(answers, octaves, means[MADE])
            if reason == REASON_OF_QUESTION[SCALE] and octaves > 0 and statistics.sharpness < self._limits.soft_below:
                variant = "soft"
        if reason is not None and (kind := self._kind(image.pixels, reason)):
            reason, variant, magnification = REASON_OF_QUESTION[MADE], kind, None
        strangeness = (
            distance(coarse(grids[MADE], self._quantization[MADE].scale), *self._cells) / self._cell_limit
        ).astype(np.float32)
        return Verdict(answers, reason, variant, magnification, strangeness)

    def _kind(self, pixels: NDArray[np.uint8], reason: str) -> str | None:
        """The kind of picture that a refused picture's colours show, where the model reads no such kind; else None."""
        colours = colours_of(pixels)
        if self._modality != HISTOLOGY:
            return COLOURED if colours.coloured else None
        if colours.grey:
            return GREY
        return IMMUNOSTAIN if colours.immunostain and reason not in PICTURE_REASONS else None

    def _answer(self, question: str, score: float) -> Answer:
        p_value = conformal_p(score, self._calibration[question])
        return Answer(question, score <= self._threshold, score, self._threshold, p_value)

    def _foreign(
        self, answers: tuple[Answer, ...], octaves: float, early: NDArray[np.float64]
    ) -> tuple[str | None, float | None]:
        """Why a picture that can be judged is refused, None if it isn't; and its magnification where that is why and
        it looks, but for its magnification, like proper pictures."""
        failed = {answer.question for answer in answers if not answer.passed}
        if SCALE in failed:
            there = np.array([np.interp(octaves, self._ratios, column) for column in self._centres.T])
            centre, whitening = self._spaces[MADE]
            there += centre - self._own_centre
            if distance(early, there, whitening) <= self._alike:
                return REASON_OF_QUESTION[SCALE], float(2.0 ** np.clip(octaves, -MOST_OCTAVES, MOST_OCTAVES))
        return next((reason for question, reason in REASON_OF_QUESTION.items() if question in failed), None), None

    def _picture(
        self, image: Image, statistics: PictureStatistics, true_scale: bool
    ) -> tuple[Answer, str | None, str | None]:
        limits = self._limits
        # What is too little is not the picture but its detail: how few pixels of the file make up those that were read.
        height, width, _ = image.pixels.shape
        share_of_field = width * height / self._area_px if true_scale else 1.0
        # Each check as (reason, its variant, how far past its limit; 1 is at the limit), the most telling cause first.
        checks = (
            ("too_small", None, limits.min_source_px * share_of_field / image.source_px),
            ("exposure", "dark", limits.min_luminance / max(statistics.luminance, 1e-6)),
            ("blank", None, limits.min_contrast / max(statistics.contrast, 1e-6)),
            ("exposure", "bright", statistics.luminance / limits.max_luminance),
            ("blank", "glass", limits.min_tissue / max(statistics.tissue, 1e-6)),
            ("blurred", None, limits.min_sharpness / max(statistics.sharpness, 1e-6)),
        )
        reason, variant = next(((code, kind) for code, kind, excess in checks if excess > 1), (None, None))
        worst = max(excess for *_, excess in checks)
        return Answer(PICTURE, reason is None, worst, 1.0), reason, variant
