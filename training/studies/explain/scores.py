"""How true a map is, judged by the network alone: no knowledge of lesions is needed.

Curves follow Petsiuk et al. (2018): pixels go from (deletion) or come into (insertion) the picture by their rank in the
map, enlarged bilinearly, and p of the class is watched. What isn't there is the picture blurred until no nucleus is left:
an empty colour would be foreign to the network, and foreign is not the same as "no evidence". The float network scores,
since the methods that ours is compared with were computed on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageFilter
from numpy.typing import NDArray
from scipy.stats import spearmanr

from training.studies.explain.floats import FloatNetwork, Floats

STEPS = 16
BLUR_SHARE = 1 / 16  # standard deviation of the blur, as a share of the picture's longer side
CONSTANT = 1e-12


@dataclass(frozen=True)
class Curves:
    """p of the class [STEPS + 1] as pixels come in and go; areas under them are means by the trapezoid rule."""

    insertion: Floats
    deletion: Floats

    @property
    def insertion_area(self) -> float:
        return float(np.trapezoid(self.insertion) / STEPS)

    @property
    def deletion_area(self) -> float:
        return float(np.trapezoid(self.deletion) / STEPS)


def enlarge(values: Floats, size: tuple[int, int]) -> NDArray[np.float32]:
    """A map [rows, columns] at (height, width), bilinear, cells at their middles."""
    image = PIL.Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((size[1], size[0]), PIL.Image.Resampling.BILINEAR))


def blurred(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What stands for "not there"."""
    radius = BLUR_SHARE * max(pixels.shape[:2])
    return np.asarray(PIL.Image.fromarray(pixels).filter(PIL.ImageFilter.GaussianBlur(radius)))


def curves(
    network: FloatNetwork, pixels: NDArray[np.uint8], values: Floats, label: int, rng: np.random.Generator
) -> Curves:
    """Insertion and deletion by a map's ranks, ties broken by chance."""
    ground = blurred(pixels)
    height, width, _ = pixels.shape
    importance = enlarge(values, (height, width)).ravel()
    order = np.lexsort((rng.random(importance.size), -importance))
    rank = np.empty(importance.size, np.int64)
    rank[order] = np.arange(importance.size)
    counts = np.linspace(0, importance.size, STEPS + 1).round().astype(np.int64)
    foremost = [(rank < count).reshape(height, width, 1) for count in counts[1:-1]]
    coming = [np.where(inside, pixels, ground) for inside in foremost]
    going = [np.where(inside, ground, pixels) for inside in foremost]
    p = network.probabilities([ground, pixels, *coming, *going], label)
    none, whole, between = p[0], p[1], p[2:]
    return Curves(
        np.concatenate([[none], between[: STEPS - 1], [whole]]), np.concatenate([[whole], between[STEPS - 1 :], [none]])
    )


def drop(network: FloatNetwork, pixels: NDArray[np.uint8], mask: Floats, label: int) -> tuple[float, float]:
    """Average drop's and increase's share of one picture (Chattopadhay et al. 2018): how much of p is lost (0…1) when only
    what a map (0…1) shows is left, the rest blurred, and whether p rises (0 or 1)."""
    shown = enlarge(mask, pixels.shape[:2])[..., None]
    mixed = np.rint(shown * pixels + (1 - shown) * blurred(pixels)).clip(0, 255).astype(np.uint8)
    before, after = network.probabilities([pixels, mixed], label)
    return float(max(0.0, before - after) / before), float(after > before)


def stretched(values: Floats) -> Floats:
    """0…1 as Grad-CAM and Score-CAM are shown: cut at 0, divided by the largest. Nothing but zeros stays so."""
    positive = np.maximum(values, 0)
    return np.asarray(positive / max(float(positive.max()), CONSTANT))


def gini(values: Floats) -> float:
    """Inequality of the positive evidence over cells, 0 (even) … 1 (one cell has all); NaN without any (Chalasani 2020)."""
    ordered = np.sort(np.maximum(values, 0).ravel())
    if ordered.sum() <= CONSTANT:
        return float("nan")
    n = len(ordered)
    return float(1 - 2 * (ordered / ordered.sum() * (n - np.arange(1, n + 1) + 0.5) / n).sum())


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation over cells; NaN where a map is the same everywhere."""
    if np.ptp(one) <= CONSTANT or np.ptp(other) <= CONSTANT:
        return float("nan")
    return float(spearmanr(one.ravel(), other.ravel()).statistic)
