"""The gate: may a reading be given of this picture at all?

Three questions, each with its own threshold and reason: can the *picture* be judged (light, focus, tissue); is it
*made* like the ones the model knows (stain, scanner, magnification: the network's early layer); does it *show* what the
model knows (its middle layer). The last two measure how far the layer's mean and spread over the picture lie from
proper pictures (Mahalanobis distance with a Ledoit–Wolf covariance) and compare with the distances of the bundle's
calibration pictures, none of which was fitted on when it was scored: p = (1 + number at least as far) / (1 + n), and p
below alpha refuses: about that share of pictures exchangeable with the calibration set (conformal).

Distances are of the integer network's outputs, never of quantized probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.bundle import Bundle
from device.runtime import Quantization

PICTURE, MADE, SHOWS = "picture", "made", "shows"
REASON_OF_QUESTION = {MADE: "wrong_stain_or_scanner", SHOWS: "unknown_content"}
CAUTION_BELOW_P = 0.05
TISSUE_DENSITY = 0.15
FAR_PX = 6
ROUNDING = 0.35  # mean difference of neighbours in a smooth picture that is rounded to whole grey levels


@dataclass(frozen=True)
class Answer:
    """One question's outcome. `score` grows with strangeness; `threshold` is the greatest that passes."""

    question: str
    passed: bool
    score: float
    threshold: float
    p_value: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The gate's decision: `reason` is the code of the first question that failed, None when accepted, and `variant` tells
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
    def caution(self) -> bool:
        """Accepted, but rarer than one proper picture in twenty."""
        return self.accepted and any(a.p_value is not None and a.p_value < CAUTION_BELOW_P for a in self.answers)


@dataclass(frozen=True)
class PictureStatistics:
    """What the first question looks at: luminance and contrast 0…255, tissue as a share of pixels, sharpness a ratio."""

    contrast: float
    tissue: float
    luminance: float
    sharpness: float


def picture_statistics(pixels: NDArray[np.uint8]) -> PictureStatistics:
    """Statistics of uint8 pixels [h, w, 3] at the scale that the model works at.

    Tissue is what absorbs light in at least one channel (optical density over 0.15 against white). Sharpness is how much
    neighbours differ, less what rounding to 8 bits alone makes of them, over how much pixels six apart do: it falls
    steadily with blur and hardly with contrast.
    """
    coarse = pixels[::2, ::2].reshape(-1, 3)
    luminance = coarse.mean(1)
    darkest = coarse.min(1)
    green = pixels[..., 1].astype(np.int16)
    near = np.abs(green[:, 1:] - green[:, :-1]).mean()
    far = np.abs(green[:, FAR_PX:] - green[:, :-FAR_PX]).mean()
    return PictureStatistics(
        contrast=float(luminance.std()),
        tissue=float((darkest < 255 * 10**-TISSUE_DENSITY).mean()),
        luminance=float(luminance.mean()),
        sharpness=float(max(near - ROUNDING, 0) / (far + ROUNDING)),
    )


def pooled(output: NDArray[np.int8], quantization: Quantization, statistics: Sequence[str]) -> NDArray[np.float64]:
    """An int8 output [rows, columns, channels] → its mean and/or standard deviation over places, real units, one row."""
    steps = output.reshape(-1, output.shape[-1]).astype(np.float32)
    mean = steps.mean(0, dtype=np.float64)
    parts = {"mean": (mean - quantization.zero_point) * quantization.scale}
    if "std" in statistics:
        square = np.einsum("ij,ij->j", steps, steps, dtype=np.float64) / len(steps)
        parts["std"] = np.sqrt(np.maximum(square - mean**2, 0)) * quantization.scale
    return np.concatenate([parts[name] for name in statistics])


def conformal_p(score: float, calibration: NDArray[np.float64]) -> float:
    """Share of pictures, the new one among them, that are at least as strange. `calibration` is sorted."""
    at_least = len(calibration) - int(np.searchsorted(calibration, score, side="left"))
    return (1 + at_least) / (1 + len(calibration))


def conformal_threshold(calibration: NDArray[np.float64], alpha: float) -> float:
    """The greatest score whose p-value isn't below alpha; infinite when there are too few pictures to refuse at alpha."""
    n = len(calibration)
    needed = int(np.ceil(alpha * (n + 1) - 1e-9)) - 1
    return float("inf") if needed < 1 else float(calibration[n - needed])


class _Distance:
    def __init__(self, bundle: Bundle, question: str) -> None:
        rule = bundle.manifest["gate"][question]
        self.question, self._output, self._statistics = question, rule["output"], tuple(rule["statistics"])
        said = bundle.manifest["network"]["outputs"][self._output]
        self._quantization = Quantization(said["scale"], said["zero_point"])
        self._centre = bundle.array(rule["centre"]).astype(np.float64)
        self._whitening = bundle.array(rule["whitening"]).astype(np.float64)
        self._calibration = np.sort(np.asarray(rule["calibration_scores"], np.float64))
        self._threshold = conformal_threshold(self._calibration, rule["alpha"])

    def answer(self, outputs: Mapping[str, NDArray[np.int8]]) -> Answer:
        row = pooled(outputs[self._output], self._quantization, self._statistics)
        score = distance(row, self._centre, self._whitening)
        p_value = conformal_p(score, self._calibration)
        return Answer(self.question, score <= self._threshold, score, self._threshold, p_value)


def distance(row: NDArray[Any], centre: NDArray[Any], whitening: NDArray[Any]) -> float:
    """Mahalanobis distance per degree of freedom: about 1 for the pictures it was fitted on."""
    whitened = (row - centre) @ whitening
    return float(np.sqrt(whitened @ whitened / len(whitened)))


class Gate:
    """The gate of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._limits = bundle.manifest["gate"]["picture"]
        self._distances = tuple(_Distance(bundle, question) for question in (MADE, SHOWS))

    def judge(self, pixels: NDArray[np.uint8], outputs: Mapping[str, NDArray[np.int8]]) -> Verdict:
        """uint8 pixels [h, w, 3] as the network saw them and its integer outputs → a verdict."""
        picture, reason = self._picture(picture_statistics(pixels))
        answers = (picture, *(distance.answer(outputs) for distance in self._distances))
        if reason is None:
            reason = next((REASON_OF_QUESTION[a.question] for a in answers if not a.passed), None)
        return Verdict(answers, reason)

    def _picture(self, seen: PictureStatistics) -> tuple[Answer, str | None]:
        limits = self._limits
        # Each check as (reason, how far past its limit; 1 is at the limit), the most telling cause first.
        checks = (
            ("too_dark", limits["min_luminance"] / max(seen.luminance, 1e-6)),
            ("blank", limits["min_contrast"] / max(seen.contrast, 1e-6)),
            ("too_bright", seen.luminance / limits["max_luminance"]),
            ("no_tissue", limits["min_tissue"] / max(seen.tissue, 1e-6)),
            ("blurred", limits["min_sharpness"] / max(seen.sharpness, 1e-6)),
        )
        reason = next((code for code, excess in checks if excess > 1), None)
        worst = max(excess for _, excess in checks)
        return Answer(PICTURE, reason is None, worst, 1.0), reason
