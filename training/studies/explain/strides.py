"""The finest honest grid: the same weights with maps at stride 16 instead of 32.

Lite0's last stride is that of its twelfth block. Taken away, and with the depthwise kernels after it spread by two, the
same weights see the same pixels (Yu & Koltun 2016), and give four maps interleaved, of which one is the map at stride 32,
value by value. So nothing is fitted anew; what it costs is four times the arithmetic from there on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from training.errors import ExplainError
from training.networks import output_strides, scale_pixels
from training.studies.explain.floats import FloatNetwork, Floats

COARSE, FINE = 32, 16
TIMED = 15


def at_stride_16(model: keras.Model) -> keras.Model:
    """A copy of a network of stride 32 whose features and class map have stride 16. Raises `ExplainError` for others."""
    if not model.name.startswith("lite0") or output_strides(model)["features"] != COARSE:
        raise ExplainError(f"{model.name} has no last stride to take away: only lite0, at stride {COARSE}, has one")
    strided = [
        layer.name
        for layer in model.layers
        if isinstance(layer, layers.DepthwiseConv2D) and tuple(layer.strides) == (2, 2)
    ]
    names = [layer.name for layer in model.layers]
    last = names.index(strided[-1])

    def spread(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, layers.DepthwiseConv2D):
            if layer.name == strided[-1]:
                config |= {"strides": (1, 1)}
            elif names.index(layer.name) > last:
                config |= {"dilation_rate": (2, 2)}
        return layer.__class__.from_config(config)

    copy = keras.models.clone_model(model, clone_function=spread)
    copy.set_weights(model.get_weights())
    return copy


def registered(values: Floats) -> Floats:
    """A map [rows, columns] of stride 16 moved up and left by half a cell.

    Its odd places are those of stride 32, which the network learnt to centre on cells of 32 px: on its own grid they would
    be drawn 8 px too far down and to the right.
    """
    padded = np.pad(values, ((0, 1), (0, 1)), mode="edge")
    return np.asarray((padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]) / 4)


def time_ms(forward: Callable[[], Any]) -> float:
    """One core's time, median over some calls, the first two left out."""
    took = []
    for _ in range(TIMED + 2):
        started = time.process_time()
        forward()
        took.append((time.process_time() - started) * 1e3)
    return statistics.median(took[2:])


@dataclass(frozen=True)
class Sight:
    """Where a cell of the class map looks, by its squared slopes over pictures: the middle's offset from the cell's own
    middle (down and to the right are positive) and the standard deviation, px along each axis."""

    offset_down_px: float
    offset_right_px: float
    spread_px: float


def sight(network: FloatNetwork, pictures: Sequence[NDArray[np.uint8]], stride: int) -> Sight:
    """The effective receptive field (Luo et al. 2016) of a cell in the middle, mean of pictures."""
    total: NDArray[np.float64] | None = None
    for pixels in pictures:
        x = tf.constant(scale_pixels(pixels[None]))
        row, column = pixels.shape[0] // stride // 2, pixels.shape[1] // stride // 2
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = network.model(x, training=False)["class_map"][0, row, column]
            peak = tf.reduce_max(values) - tf.reduce_mean(values)
        slopes = (tape.gradient(peak, x).numpy()[0].astype(np.float64) ** 2).sum(-1)
        total = slopes / slopes.sum() + (0 if total is None else total)
    assert total is not None
    total /= total.sum()
    down, right = np.mgrid[: total.shape[0], : total.shape[1]]
    middle = (total * down).sum(), (total * right).sum()
    own = stride * row + (stride - 1) / 2, stride * column + (stride - 1) / 2
    variance = (total * ((down - middle[0]) ** 2 + (right - middle[1]) ** 2)).sum() / 2
    return Sight(float(middle[0] - own[0]), float(middle[1] - own[1]), float(np.sqrt(variance)))
