"""The mean over the places that count: what makes a logit of a class map (`device/reading/maps.py`), in TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from device.reading.tissue import BLOCK_PX, GLASS_BELOW, TISSUE, TISSUE_BELOW
from training.networks.pixels import PIXEL_MEAN, PIXEL_SCALE


def place_mean(values: tf.Tensor, pictures: tf.Tensor, counts: str) -> tf.Tensor:
    """Of a batch of maps [n, rows, columns, d] of scaled pictures [n, h, w, 3], sides multiples of 32: [n, d]. `counts` is
    `everywhere` or `tissue`."""
    if counts != TISSUE:
        return tf.reduce_mean(values, (1, 2))
    counted = places_that_count(pictures, counts, tf.shape(values)[1], tf.shape(values)[2])[..., None]
    return tf.reduce_sum(values * counted, (1, 2)) / tf.reduce_sum(counted, (1, 2))


def places_that_count(pictures: tf.Tensor, counts: str, rows: int, columns: int) -> tf.Tensor:
    """Of scaled pictures [n, h, w, 3]: float32 [n, rows, columns], 1 where a place of a map counts, else 0."""
    if counts != TISSUE:
        return tf.ones((tf.shape(pictures)[0], rows, columns))
    tissue = tf.reduce_min(pictures, -1, keepdims=True) < (TISSUE_BELOW - PIXEL_MEAN) / PIXEL_SCALE
    blocks = tf.nn.avg_pool2d(tf.cast(tissue, tf.float32), BLOCK_PX, BLOCK_PX, "VALID") >= GLASS_BELOW
    blocks |= ~tf.reduce_any(blocks, (1, 2), keepdims=True)
    blocks = blocks[..., 0]
    for axis, places in ((1, rows), (2, columns)):
        count = tf.shape(blocks)[axis]
        blocks = tf.gather(blocks, tf.range(places) * count // places, axis=axis)
    return tf.cast(blocks, tf.float32)


class PlaceMean(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """`place_mean` of [maps, scaled pictures], as a part of a network."""

    def __init__(self, counts: str) -> None:
        super().__init__(name="logits")
        self.counts = counts

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        values, pictures = inputs
        return place_mean(values, pictures, self.counts)

    def compute_output_shape(self, shapes: Any) -> Any:
        return shapes[0][0], shapes[0][-1]
