"""The autoencoder: what can't be drawn again from few numbers was not among the pictures it learnt to draw.

As the browser app Chester (Cohen et al. 2020) asks whether a picture is in its distribution: a small convolutional
autoencoder is trained on proper pictures, and a picture is as strange as its reconstruction is unlike it by structural
similarity (SSIM, Wang et al. 2004; TensorFlow's). It sees pixels, no network's outputs, at a quarter of the size read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import PIL.Image
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

REDUCED, STRIDE = 4, 16  # of the picture; of the code
WIDTHS, CODE = (24, 32, 48), 12
EPOCHS, BATCH, RATE, SEED = 40, 8, 2e-3, 1

Similarity = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[h, w, 3] in 0…1, a quarter of the size, sides multiples of the code's stride."""
    height, width = (max(1, round(side / REDUCED / STRIDE)) * STRIDE for side in pixels.shape[:2])
    resized = PIL.Image.fromarray(pixels).resize((width, height), PIL.Image.Resampling.BOX)
    return np.asarray(resized, np.float32) / np.float32(255)


def _network() -> keras.Model:
    image = x = keras.Input((None, None, 3))
    for width in (*WIDTHS, CODE):
        x = layers.Conv2D(width, 3, 2, padding="same", activation=None if width == CODE else "relu")(x)
    for width in reversed(WIDTHS):
        x = layers.Conv2DTranspose(width, 3, 2, padding="same", activation="relu")(x)
    return keras.Model(image, layers.Conv2DTranspose(3, 3, 2, padding="same", activation="sigmoid")(x))


def fit_autoencoder(pictures: Sequence[NDArray[np.uint8]]) -> Similarity:
    """Train on proper pictures uint8 [h, w, 3]; returns what gives a picture's map of SSIM, float32 [rows, columns]."""
    keras.utils.set_random_seed(SEED)
    small = [_small(picture) for picture in pictures]
    model = _network()
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(batch: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            drawn = model(batch, training=True)
            loss = tf.reduce_mean(1 - tf.image.ssim(batch, drawn, 1.0)) + tf.reduce_mean(tf.abs(batch - drawn))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    chance = np.random.default_rng(SEED)
    shapes = sorted({picture.shape for picture in small})
    for _ in range(EPOCHS):
        for shape in shapes:
            alike = chance.permutation([i for i, picture in enumerate(small) if picture.shape == shape])
            for start in range(0, len(alike), BATCH):
                step(tf.constant(np.stack([small[i] for i in alike[start : start + BATCH]])))

    @tf.function(reduce_retracing=True, input_signature=[tf.TensorSpec((1, None, None, 3))])  # type: ignore[untyped-decorator]
    def similarity(batch: tf.Tensor) -> tf.Tensor:
        return tf.image.ssim(batch, model(batch, training=False), 1.0, return_index_map=True)

    return lambda pixels: np.asarray(similarity(tf.constant(_small(pixels)[None]))[0], np.float32)
