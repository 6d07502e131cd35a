"""Class maps: where in the picture the evidence for each class lies, and which units it comes from.

The head is a 1×1 convolution of the network's int8 features, done here in whole numbers:

    map[y, x, k] = Σ_c (feature[y, x, c] − zero_point) · weight[c, k] + bias[k]        (integers)
    logit[k]     = mean over (y, x) of map[y, x, k] · 2**scale_log2

The unit of a step is a power of two and every number is far below 2**53, so float64 holds each value, each sum over
places and each sum over units exactly, in any order and in any language: the map's mean *is* the logit.
The weights are centred over classes (softmax doesn't see it), so a positive value speaks for a class against the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.bundle import Bundle


@dataclass(frozen=True)
class Maps:
    """`values`: float64 [rows, columns, classes], logit units; `logits`: float64 [classes], their mean over places;
    `units`: float64 [channels, classes], each unit's part of the logit (the bias is the rest)."""

    values: NDArray[np.float64]
    logits: NDArray[np.float64]
    units: NDArray[np.float64]


class Head:
    """The integer head of a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        head = bundle.manifest["head"]
        self._weights = bundle.array(head["weights"]).astype(np.float64)
        self._bias = bundle.array(head["bias"]).astype(np.float64)
        self._step = 2.0 ** head["scale_log2"]
        self._zero_point = bundle.manifest["network"]["outputs"]["features"]["zero_point"]

    def maps(self, features: NDArray[np.int8]) -> Maps:
        """int8 features [rows, columns, channels] → `Maps`."""
        rows, columns, channels = features.shape
        steps = features.reshape(-1, channels).astype(np.float64) - self._zero_point
        values = (steps @ self._weights + self._bias) * self._step
        units = steps.sum(0)[:, None] * self._weights * self._step / len(steps)
        return Maps(values.reshape(rows, columns, -1), values.sum(0) / len(steps), units)

    def unit_maps(self, features: NDArray[np.int8], units: Sequence[int], label: int) -> NDArray[np.float64]:
        """What each of some units adds to the map of the class with index `label`: float64 [rows, columns, units], logit
        units. The mean over places is the unit's entry in `Maps.units`; all units' maps and `bias` sum to the class's."""
        chosen = list(units)
        steps = features[..., chosen].astype(np.float64) - self._zero_point
        return np.asarray(steps * self._weights[chosen, label] * self._step)

    @property
    def bias(self) -> NDArray[np.float64]:
        """float64 [classes]: the part of each logit that no unit brings."""
        return np.asarray(self._bias * self._step)

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64 [channels, classes]: what one integer step of a unit everywhere in the picture adds to each logit."""
        return np.asarray(self._weights * self._step)


def softmax(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Calibrated probabilities over the last axis."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))
