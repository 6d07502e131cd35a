"""Training batches: squares cut out of pictures, changed at random, with their labels.

They come as (pixels [n, s, s, 3] scaled for the network, targets [n, K + 1]): 1 for each class that the label leaves open,
0 elsewhere, then the weight in the loss.
Squares of several sizes are mixed step by step, each with as many pixels a step as the first size has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training import networks
from training.data import Sample, kinds_of, possible_of
from training.fitting.augment import cut, recolour
from training.fitting.balance import epoch_order, sample_weights
from training.recipe import Recipe


def steps_per_epoch(recipe: Recipe, samples: Sequence[Sample]) -> int:
    """Steps in which about every picture is met once."""
    return max(1, len(samples) // recipe.fit.batch)


def weighted_targets(recipe: Recipe, samples: Sequence[Sample]) -> NDArray[np.float32]:
    """The classes that each sample may be of and its weight in the loss [n, K + 1]."""
    groups = np.array([sample.group for sample in samples])
    weights = sample_weights(kinds_of(samples), groups, recipe.fit.balance)
    return np.concatenate([possible_of(samples, len(recipe.labels)), weights[:, None]], 1).astype(np.float32)


def training_batches(recipe: Recipe, pixels: Sequence[NDArray[np.uint8]], samples: Sequence[Sample]) -> tf.data.Dataset:
    """Endless batches of the training pictures, in the order that `fit.balance` asks for."""
    kinds, balance = kinds_of(samples), recipe.fit.balance
    targets = weighted_targets(recipe, samples)
    sizes, middle = recipe.fit.square_px, recipe.fit.place == "middle"

    def of_size(number: int, side: int) -> tf.data.Dataset:
        rng = np.random.default_rng((recipe.fit.seed, number))

        def pictures() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
            while True:
                for index in epoch_order(kinds, balance, rng):
                    yield pixels[index], targets[index]

        def scaled(images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (recolour(images, recipe.augmentation) - networks.PIXEL_MEAN) / networks.PIXEL_SCALE, targets

        shapes = (tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((targets.shape[1],), tf.float32))
        data = tf.data.Dataset.from_generator(pictures, output_signature=shapes)
        data = data.map(
            lambda picture, target: (cut(picture, recipe.augmentation, side, middle=middle), target),
            num_parallel_calls=2,
        )
        batch = max(1, round(recipe.fit.batch * sizes[0] ** 2 / side**2))
        return data.batch(batch, drop_remainder=True).map(scaled)

    mixed = [of_size(number, side) for number, side in enumerate(sizes)]
    if len(mixed) == 1:
        return mixed[0].prefetch(2)
    return tf.data.Dataset.choose_from_datasets(mixed, tf.data.Dataset.range(len(mixed)).repeat()).prefetch(2)
