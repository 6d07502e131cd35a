"""The float network as an explanation method needs it: logits of batches, features, gradients.

Logits are centred over classes, as the box's head is: softmax doesn't see what all classes share, and every method is
asked the same question.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.networks import output_strides, place_mean, scale_pixels
from training.networks.head import CLASS_MAP

LAST = "features"
EARLIER = ("middle", "early")
BATCH = 5

Floats = NDArray[np.float64]


class FloatNetwork:
    """A run's network; `counts` says which places make its logits. `earlier` is the deepest output before the last that
    they come through, None where none is."""

    def __init__(self, model: keras.Model, counts: str) -> None:
        self.model = model
        self.strides = output_strides(model)
        self.channels = int(model.output[LAST].shape[-1])
        self.earlier = _on_the_way(model)
        layers = (LAST,) if self.earlier is None else (LAST, self.earlier)

        def logits(x: tf.Tensor) -> tf.Tensor:
            means = place_mean(model(x, training=False)[CLASS_MAP], x, counts)
            return means - tf.reduce_mean(means, 1, keepdims=True)

        def gradients(x: tf.Tensor, label: tf.Tensor) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = model(x, training=False)
                means = place_mean(outputs[CLASS_MAP], x, counts)[0]
                score = means[label] - tf.reduce_mean(means)
            ends = {name: outputs[name] for name in layers}
            slopes = tape.gradient(score, ends)
            return {name: (ends[name][0], slopes[name][0]) for name in layers}

        def masked(x: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
            masks = tf.image.resize(channels, tf.shape(x)[1:3])
            low, high = (bound(masks, (1, 2, 3), keepdims=True) for bound in (tf.reduce_min, tf.reduce_max))
            return logits(x * (masks - low) / tf.maximum(high - low, 1e-9))

        self._logits = tf.function(logits, reduce_retracing=True)
        self._gradients = tf.function(gradients, reduce_retracing=True)
        self._masked = tf.function(masked, reduce_retracing=True)
        self._outputs = tf.function(lambda x: model(x, training=False), reduce_retracing=True)

    def logits(self, pictures: Sequence[NDArray[np.uint8]]) -> Floats:
        """Centred logits [n, classes] of pictures of one shape, uint8 [h, w, 3]."""
        parts = [
            self._logits(scale_pixels(np.stack(pictures[start : start + BATCH]))).numpy()
            for start in range(0, len(pictures), BATCH)
        ]
        return np.concatenate(parts).astype(np.float64)

    def probabilities(self, pictures: Sequence[NDArray[np.uint8]], label: int) -> Floats:
        """p of a class [n], at temperature 1."""
        powers = np.exp(self.logits(pictures))
        return np.asarray(powers[:, label] / powers.sum(1))

    def class_map(self, pixels: NDArray[np.uint8]) -> Floats:
        """[rows, columns, classes], centred over classes."""
        values = self._outputs(scale_pixels(pixels[None]))[CLASS_MAP].numpy()[0].astype(np.float64)
        return np.asarray(values - values.mean(-1, keepdims=True))

    def gradients(self, pixels: NDArray[np.uint8], label: int) -> dict[str, tuple[Floats, Floats]]:
        """By output: its values [rows, columns, channels] and the slope of a class's centred logit by each of them."""
        by_layer = self._gradients(tf.constant(scale_pixels(pixels[None])), tf.constant(label))
        return {
            name: (values.numpy().astype(np.float64), slopes.numpy().astype(np.float64))
            for name, (values, slopes) in by_layer.items()
        }

    def masked_logits(self, pixels: NDArray[np.uint8], channels: NDArray[np.float32]) -> Floats:
        """Centred logits [n, classes] of a picture under n masks: channels [n, rows, columns], each enlarged to the picture
        and stretched to 0…1. What is masked becomes the input's 0, a middle grey."""
        x = scale_pixels(pixels[None])
        parts = [
            self._masked(x, channels[start : start + BATCH, ..., None]).numpy()
            for start in range(0, len(channels), BATCH)
        ]
        return np.concatenate(parts).astype(np.float64)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[rows, columns, channels] of the last layer."""
        return np.asarray(self._outputs(scale_pixels(pixels[None]))[LAST].numpy()[0])


def _on_the_way(model: keras.Model) -> str | None:
    needed = {layer.name for layer in keras.Model(model.input, model.output[CLASS_MAP]).layers}
    for name in EARLIER:
        if name in model.output and model.output[name]._keras_history.operation.name in needed:
            return name
    return None
