"""Training batches: squares cut out of pictures, changed at random, with their labels.

They come as (pixels [n, s, s, 3] scaled for the network, targets [n, K + 1]): one-hot labels, then the weight in the loss.
Squares of several sizes are mixed step by step, each with as many pixels a step as the first size has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training import networks
from training.augment import cut, recolour
from training.balance import epoch_order, sample_weights
from training.data import Sample, labels_of
from training.recipe import Recipe


def steps_per_epoch(recipe: Recipe, samples: Sequence[Sample]) -> int:
    """Steps in which about every picture is met once."""
    return max(1, len(samples) // recipe.fit.batch)


def training_batches(recipe: Recipe, pixels: Sequence[NDArray[np.uint8]], samples: Sequence[Sample]) -> tf.data.Dataset:
    """Endless batches of the training pictures, in the order that `fit.balance` asks for."""
    labels, balance = labels_of(samples), recipe.fit.balance
    weights = sample_weights(labels, np.array([sample.group for sample in samples]), balance)
    targets = np.concatenate([np.eye(len(recipe.labels))[labels], weights[:, None]], 1).astype(np.float32)
    square = _squares(recipe, pixels, targets)
    sizes = recipe.fit.square_px

    def of_size(number: int, side: int) -> tf.data.Dataset:
        rng = np.random.default_rng((recipe.fit.seed, number))

        def indexes() -> Iterator[int]:
            while True:
                yield from epoch_order(labels, balance, rng)

        def scaled(images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (recolour(images, recipe.augmentation) - networks.PIXEL_MEAN) / networks.PIXEL_SCALE, targets

        data = tf.data.Dataset.from_generator(indexes, output_signature=tf.TensorSpec((), tf.int32))
        data = data.map(lambda index: square(index, side), num_parallel_calls=2)
        batch = max(1, round(recipe.fit.batch * sizes[0] ** 2 / side**2))
        return data.batch(batch, drop_remainder=True).map(scaled)

    mixed = [of_size(number, side) for number, side in enumerate(sizes)]
    if len(mixed) == 1:
        return mixed[0].prefetch(2)
    return tf.data.Dataset.choose_from_datasets(mixed, tf.data.Dataset.range(len(mixed)).repeat()).prefetch(2)


Square = Callable[[tf.Tensor, int], tuple[tf.Tensor, tf.Tensor]]


def _squares(recipe: Recipe, pixels: Sequence[NDArray[np.uint8]], labels: NDArray[np.float32]) -> Square:
    # Pictures differ in shape, so they lie end to end in one array.
    flat = tf.constant(np.concatenate([picture.ravel() for picture in pixels]))
    shapes = tf.constant([picture.shape for picture in pixels], tf.int32)
    starts = tf.constant(np.cumsum([0, *(picture.size for picture in pixels[:-1])]), tf.int64)
    targets = tf.constant(labels)

    def square(index: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
        size = tf.cast(tf.reduce_prod(shapes[index]), tf.int64)
        picture = tf.reshape(flat[starts[index] : starts[index] + size], shapes[index])
        return cut(picture, recipe.augmentation, side), targets[index]

    return square
