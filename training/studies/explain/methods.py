"""Five ways to say where a class's evidence lies: the box's class map, three from the literature, and chance.

The box's map comes out of the reading itself. The others need the float network and more passes through it:

- Grad-CAM (Selvaraju et al. 2017): a layer's channels, weighted by their mean slope; what is negative is cut off.
- HiResCAM (Draelos & Carin 2020): each value times its own slope, summed over channels.
- Score-CAM (Wang et al. 2020, algorithm 1): each channel masks the picture in a forward pass of its own, and is weighted by
  the softmax over channels of what the class's logit then gains over an empty picture.

On the last layer of a network that ends in a mean over places, slopes are the head's weights wherever a place counts: so
HiResCAM *is* the class map without its bias, and Grad-CAM, whose slopes are averaged over all places, what is positive of
it. On an earlier layer they differ.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.studies.explain.floats import LAST, FloatNetwork, Floats
from training.studies.explain.subject import Subject

OURS, GRAD_CAM, HIRES_CAM, GRAD_CAM_EARLIER, HIRES_CAM_EARLIER, SCORE_CAM, RANDOM = (
    "class_map",
    "grad_cam",
    "hires_cam",
    "grad_cam_earlier",
    "hires_cam_earlier",
    "score_cam",
    "random",
)
METHODS = (OURS, GRAD_CAM, HIRES_CAM, GRAD_CAM_EARLIER, HIRES_CAM_EARLIER, SCORE_CAM, RANDOM)


@dataclass(frozen=True)
class Explanation:
    """`values` float64 [rows, columns] of one class; `total`: what they come to as a logit, NaN where the method gives them
    no unit; `cpu_ms`: one core's time from pixels to values, the forward pass among it."""

    method: str
    values: Floats
    total: float
    cpu_ms: float


def _ms(started: float) -> float:
    return (time.process_time() - started) * 1e3


def class_map(subject: Subject, pixels: NDArray[np.uint8], label: int) -> Explanation:
    """The box's own; never stretched."""
    started = time.process_time()
    values = subject.maps(pixels).values[..., label]
    return Explanation(OURS, np.nan_to_num(values), float(np.nanmean(values)), _ms(started))


def gradient_cams(network: FloatNetwork, pixels: NDArray[np.uint8], label: int) -> list[Explanation]:
    """Grad-CAM and HiResCAM on the last layer and, where the network has one, on an earlier one."""
    started = time.process_time()
    by_layer = network.gradients(pixels, label)
    cpu_ms = _ms(started)
    explanations = []
    for layer, (values, slopes) in by_layer.items():
        grad, hires = (GRAD_CAM, HIRES_CAM) if layer == LAST else (GRAD_CAM_EARLIER, HIRES_CAM_EARLIER)
        # Slopes of a mean over places hold the 1/places, so a sum over places has the logit's unit.
        cam = np.maximum(values @ slopes.mean((0, 1)), 0)
        exact = (values * slopes).sum(-1)
        explanations += [
            Explanation(grad, cam, float(cam.sum()), cpu_ms),
            Explanation(hires, exact, float(exact.sum()), cpu_ms),
        ]
    return explanations


def score_cams(network: FloatNetwork, pixels: NDArray[np.uint8]) -> tuple[Floats, float]:
    """Score-CAM of every class [rows, columns, classes], and one core's time, ms: a forward pass a channel serves them all.

    Channels that are the same everywhere mask nothing and are left out, as in the authors' code.
    """
    started = time.process_time()
    features = network.features(pixels).transpose(2, 0, 1)
    alive = features.max((1, 2)) > features.min((1, 2))
    empty = network.masked_logits(pixels, np.zeros((1, *features.shape[1:]), np.float32))
    gains = network.masked_logits(pixels, features[alive]) - empty
    powers = np.exp(gains - gains.max(0))
    weights = powers / powers.sum(0)
    return np.maximum(np.einsum("nrc,nk->rck", features[alive].astype(np.float64), weights), 0), _ms(started)


def chance(shape: tuple[int, int], rng: np.random.Generator) -> Explanation:
    """A map of random values, 0…1."""
    return Explanation(RANDOM, rng.random(shape), float("nan"), 0.0)
