"""The float network beside the integer one: what rounding costs a detector, and ODIN, which needs a gradient.

ODIN (Liang et al. 2018) moves each pixel a little in the direction that makes the network surer, and takes the maximum
softmax at a high temperature: proper pictures gain more. No box could pay for the backward pass, so it stands as a
reference, on the float network, of one fold, on the first pictures of each set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.networks import place_mean, scale_pixels
from training.networks.head import CLASS_MAP

TEMPERATURE = 1000.0
STEP = 0.005
"""Of pixels scaled to −1…1: about half a grey level."""

Forward = Callable[[NDArray[np.uint8]], tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]]


def float_forward(model: keras.Model, counts: str) -> Forward:
    """uint8 pixels [h, w, 3] → float outputs [rows, columns, channels] by name, the class map among them, and logits."""

    def outputs(image: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        outputs = model(image, training=False)
        return outputs, place_mean(outputs[CLASS_MAP], image, counts)

    forward = _compiled(outputs)

    def run(pixels: NDArray[np.uint8]) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
        outputs, logits = forward(scale_pixels(pixels[None]))
        return {name: np.asarray(value[0]) for name, value in outputs.items()}, np.asarray(logits[0])

    return run


def odin(model: keras.Model, counts: str) -> Callable[[NDArray[np.uint8]], float]:
    """uint8 pixels [h, w, 3] → a score that grows with strangeness."""

    def surest(image: tf.Tensor) -> tf.Tensor:
        logits = place_mean(model(image, training=False)[CLASS_MAP], image, counts)
        return tf.reduce_max(tf.nn.log_softmax(logits / TEMPERATURE), 1)

    def moved(image: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = surest(image)
        return surest(image + STEP * tf.sign(tape.gradient(value, image)))

    forward = _compiled(moved)
    return lambda pixels: -float(forward(scale_pixels(pixels[None]))[0])


def _compiled(function: Callable[[tf.Tensor], Any]) -> Callable[[NDArray[np.float32]], Any]:
    return tf.function(  # type: ignore[no-any-return]
        function, reduce_retracing=True, input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32)]
    )
