"""Class maps: where in the picture the evidence for each class lies, and which units it comes from.

The head is a 1×1 convolution of the network's int8 features, done here in whole numbers:

    map[y, x, k] = Σ_c (feature[y, x, c] − zero_point) · weight[c, k] + bias[k]        (integers)
    logit[k]     = mean over (y, x) that count of map[y, x, k] · 2**scale_log2

The mean is over the places that count: all of a picture or, where the bundle's head says so, those with tissue
(`device/reading/tissue.py`). The unit of a step is a power of two and every number is far below 2**53, so float64 holds
each value, each sum over places and each sum over units exactly, in any order and any language: the map's mean *is* the
logit.
The weights are centred over classes (softmax doesn't see it), so a positive value speaks for a class against the others.

A section's cell is a whole window, whose features are pooled first: their mean over the places that count, rounded to 1/256
of an integer step. So the same holds in steps that are 256 times finer: a section's logit is the mean of the cells that
count, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from device.reading.bundle import Bundle
from device.reading.tissue import EVERYWHERE, counted_places

# A pooled feature's step. At worst a value of the shipped heads has 33 bits; 8 more leave room for 4,096 cells below 2**53.
POOLED_STEP = 2.0**-8


@dataclass(frozen=True)
class Maps:
    """`values`: float64 [rows, columns, classes], logit units, NaN where a place doesn't count; `logits`: float64
    [classes], their mean over the places that count; `units`: float64 [channels, classes], each unit's part of the logit
    (the bias is the rest)."""

    values: NDArray[np.float64]
    logits: NDArray[np.float64]
    units: NDArray[np.float64]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which places make the logits: bool [rows, columns]."""
        return ~np.isnan(self.values[..., 0])


# A field's, in integer steps; or the means of a section's windows.
Features: TypeAlias = NDArray[np.int8] | NDArray[np.float32]


class Head:
    """The integer head of a network: whole-number `weights` [channels, classes] and `bias` [classes] in steps of
    2**`scale_log2` logit units, for int8 features whose zero is `zero_point`. `counts`: which places make a logit."""

    def __init__(
        self,
        weights: NDArray[np.generic],
        bias: NDArray[np.generic],
        scale_log2: int,
        zero_point: int,
        counts: str = EVERYWHERE,
    ) -> None:
        self._weights, self._bias = weights.astype(np.float64), bias.astype(np.float64)
        self._step, self._zero_point, self._counts = 2.0**scale_log2, zero_point, counts

    @classmethod
    def of(cls, bundle: Bundle) -> Head:
        """A bundle's head."""
        head, features = bundle.manifest.head, bundle.manifest.network.outputs["features"]
        weights, bias = bundle.array(head.weights), bundle.array(head.bias)
        return cls(weights, bias, head.scale_log2, features.zero_point, head.counts or EVERYWHERE)

    def maps(self, features: NDArray[np.int8], pixels: NDArray[np.uint8]) -> Maps:
        """Features in integer steps, int8 [rows, columns, channels], and the pixels that they are of, uint8 [h, w, 3] →
        `Maps`."""
        return self._maps(features, self._counted(features, pixels))

    def pool(self, features: NDArray[np.int8], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Likewise → the features' mean over the places that count, float32 [channels], in steps of `POOLED_STEP`."""
        means = features[self._counted(features, pixels)].mean(0, dtype=np.float64)
        return np.asarray(np.round(means / POOLED_STEP) * POOLED_STEP, np.float32)

    def section_maps(self, features: NDArray[np.float32]) -> Maps:
        """Pooled features of a section's windows, float32 [rows, columns, channels], NaN where a window doesn't count →
        `Maps`. Without any window that counts there is no evidence: all logits are 0."""
        return self._maps(features, ~np.isnan(features[..., 0]))

    def _counted(self, features: NDArray[np.int8], pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        rows, columns, _ = features.shape
        return counted_places(self._counts, pixels, rows, columns)

    def _maps(self, features: Features, counted: NDArray[np.bool_]) -> Maps:
        values = np.full((*counted.shape, len(self._bias)), np.nan)
        if not counted.any():
            return Maps(values, np.zeros(len(self._bias)), np.zeros_like(self._weights))
        steps = features[counted].astype(np.float64) - self._zero_point
        evidence = (steps @ self._weights + self._bias) * self._step
        values[counted] = evidence
        units = steps.sum(0)[:, None] * self._weights * self._step / len(steps)
        return Maps(values, evidence.sum(0) / len(steps), units)

    def unit_maps(
        self, features: Features, counted: NDArray[np.bool_], units: Sequence[int], label: int
    ) -> NDArray[np.float64]:
        """What each of some units adds to the map of the class with index `label`: float64 [rows, columns, units], logit
        units, NaN where a place doesn't count. The mean over places that do is the unit's entry in `Maps.units`; all units'
        maps and `bias` sum to the class's."""
        chosen = list(units)
        steps = features[..., chosen].astype(np.float64) - self._zero_point
        return np.asarray(np.where(counted[..., None], steps * self._weights[chosen, label] * self._step, np.nan))

    @property
    def bias(self) -> NDArray[np.float64]:
        """float64 [classes]: the part of each logit that no unit brings."""
        return np.asarray(self._bias * self._step)

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64 [channels, classes]: what one integer step of a unit everywhere in the picture adds to each logit."""
        return np.asarray(self._weights * self._step)


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Calibrated probabilities over the last axis."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))
