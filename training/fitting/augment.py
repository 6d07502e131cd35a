"""Random changes to training fields: what may differ between two clinics' pictures of the same tissue.

Everything works inside the TensorFlow graph, on float pixels 0…255, so augmenting costs a few per cent of a training
step. Geometry is one projective transform that cuts a square out of the field at a random place, turned,
flipped and scaled at random; half of the squares keep the field's pixel grid, because a resampled picture is softer than
those that the box reads. The network is fully convolutional, so it learns from squares and reads whole fields; squares
are cheaper, and the class map learns to be right everywhere instead of on average.

Stain jitter moves each field in the haematoxylin–eosin–DAB space of Ruifrok & Johnston (2001), as Tellez et al. (2018) do.
"""

from __future__ import annotations

from math import pi

import numpy as np
import tensorflow as tf

from training.recipe import Augmentation

RGB_FROM_HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32)
HED_FROM_RGB = np.linalg.inv(RGB_FROM_HED).astype(np.float32)
BLUR_KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32) / 256


def _uniform(n: tf.Tensor, low: float, high: float, *, shape: tuple[int, ...] = ()) -> tf.Tensor:
    return tf.random.uniform(tf.concat([[n], tf.constant(shape, tf.int32)], 0), low, high)


def cut(pixels: tf.Tensor, how: Augmentation, side: int, *, middle: bool = False) -> tf.Tensor:
    """One picture [h, w, 3] of any size, any dtype → a square of it [side, side, 3], float32, at a random place or in its
    middle, turned, flipped and, half of the time, scaled. A picture that is smaller than the square is mirrored at its
    edges."""
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    resample = tf.cast(_uniform(1, 0, 1) < 0.5, tf.float32)
    quarter_turns = pi / 2 * tf.floor(_uniform(1, 0, 1 if how.upright else 4))
    angle = quarter_turns + resample * _uniform(1, -how.rotation_deg, how.rotation_deg) * pi / 180
    zoom = tf.exp(resample * _uniform(1, -how.scale, how.scale))
    flip = tf.sign(_uniform(1, -1, 1))
    cos, sin = tf.cos(angle) * zoom, tf.sin(angle) * zoom
    a, b, c, d = cos * flip, -sin, sin * flip, cos
    half = (side - 1) / 2

    def place(length: tf.Tensor) -> tf.Tensor:  # of the square's middle; on the pixel grid where not resampled
        room = tf.cast(length - side, tf.float32)
        start = room[None] / 2 if middle else _uniform(1, 0, tf.maximum(1.0, room + 1))
        return tf.floor(start) + half

    x, y = place(width), place(height)
    zero = tf.zeros_like(a)
    matrix = [a, b, x - (a + b) * half, c, d, y - (c + d) * half, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(pixels, tf.float32)[None],
        transforms=tf.stack(matrix, 1),
        output_shape=(side, side),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )[0]


def _stain(pixels: tf.Tensor, how: Augmentation) -> tf.Tensor:
    n = tf.shape(pixels)[0]
    density = -tf.math.log((tf.clip_by_value(pixels, 0.0, 255.0) + 1.0) / 256.0)
    hed = tf.linalg.matmul(density, HED_FROM_RGB[None, None])
    gain = 1 + _uniform(n, -how.stain, how.stain, shape=(1, 1, 3))
    shift = _uniform(n, -how.stain, how.stain, shape=(1, 1, 3)) * 0.2
    return tf.exp(-tf.linalg.matmul(hed * gain + shift, RGB_FROM_HED[None, None])) * 256.0 - 1.0


def _light(pixels: tf.Tensor, how: Augmentation) -> tf.Tensor:
    n = tf.shape(pixels)[0]
    contrast = 1 + _uniform(n, -how.contrast, how.contrast, shape=(1, 1, 1))
    brightness = 255 * _uniform(n, -how.brightness, how.brightness, shape=(1, 1, 1))
    mean = tf.reduce_mean(pixels, (1, 2), keepdims=True)
    return (pixels - mean) * contrast + mean + brightness


def _blur(pixels: tf.Tensor, how: Augmentation) -> tf.Tensor:
    n = tf.shape(pixels)[0]
    kernel = tf.tile(tf.constant(BLUR_KERNEL)[:, :, None, None], (1, 1, 3, 1))
    soft = tf.nn.depthwise_conv2d(pixels, kernel, (1, 1, 1, 1), "SAME")
    amount = tf.nn.relu(_uniform(n, -1, 1, shape=(1, 1, 1))) * how.blur
    return pixels + amount * (soft - pixels)


def recolour(squares: tf.Tensor, how: Augmentation) -> tf.Tensor:
    """Squares [n, s, s, 3] 0…255 in any dtype, changed in stain, light and focus: float32, still 0…255."""
    squares = tf.cast(squares, tf.float32)
    for change, strength in ((_stain, how.stain), (_light, how.brightness + how.contrast), (_blur, how.blur)):
        if strength:
            squares = change(squares, how)
    return tf.clip_by_value(squares, 0.0, 255.0)
