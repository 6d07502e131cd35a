"""Training batches: squares of pictures with their labels, or windows of neighbouring tiles with a label for each tile.

Both come as (pixels [n, s, s, 3] scaled for the network, targets [n, g, g, K + 1]): a grid of one-hot labels whose last
channel is the weight in the loss, 0 where a tile has no label. For pictures the grid is 1 × 1. Squares of several sizes are
mixed step by step, each with as many pixels a step as the first size has, so that the network meets lone tiles and tiles
in context alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training import networks
from training.augment import cut, recolour, turn
from training.balance import epoch_order, sample_weights
from training.data import Sample, labels_of
from training.data.sections import sections
from training.errors import RunError
from training.recipe import Recipe

WHITE = 255


def steps_per_epoch(recipe: Recipe, samples: Sequence[Sample]) -> int:
    """Steps in which about every picture that counts is met once: a window of tiles shows several."""
    groups = np.array([sample.group for sample in samples])
    counted = int(np.count_nonzero(sample_weights(labels_of(samples), groups, recipe.fit.balance)))
    return max(1, counted // recipe.fit.batch)


def training_batches(recipe: Recipe, pixels: Sequence[NDArray[np.uint8]], samples: Sequence[Sample]) -> tf.data.Dataset:
    """Endless batches of the training pictures, in the order that `fit.balance` asks for."""
    labels, balance = labels_of(samples), recipe.fit.balance
    weights = sample_weights(labels, np.array([sample.group for sample in samples]), balance)
    if not weights.any():
        raise RunError('fit.balance = "groups" needs patients with several classes; there are none: use "weights"')
    targets = np.concatenate([np.eye(len(recipe.labels))[labels], weights[:, None]], 1).astype(np.float32)
    square = _tiles(recipe, pixels, samples, targets) if recipe.fit.tile_px else _pictures(recipe, pixels, targets)
    sizes = recipe.fit.square_px

    def of_size(number: int, side: int) -> tf.data.Dataset:
        rng = np.random.default_rng((recipe.fit.seed, number))

        def indexes() -> Iterator[int]:
            while True:
                yield from epoch_order(labels, weights, balance, rng)

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


def _pictures(recipe: Recipe, pixels: Sequence[NDArray[np.uint8]], labels: NDArray[np.float32]) -> Square:
    # Pictures differ in shape, so they lie end to end in one array.
    flat = tf.constant(np.concatenate([picture.ravel() for picture in pixels]))
    shapes = tf.constant([picture.shape for picture in pixels], tf.int32)
    starts = tf.constant(np.cumsum([0, *(picture.size for picture in pixels[:-1])]), tf.int64)
    targets = tf.constant(labels)

    def square(index: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
        size = tf.cast(tf.reduce_prod(shapes[index]), tf.int64)
        picture = tf.reshape(flat[starts[index] : starts[index] + size], shapes[index])
        return cut(picture, recipe.augmentation, side), targets[index][None, None]

    return square


def _tiles(
    recipe: Recipe, pixels: Sequence[NDArray[np.uint8]], samples: Sequence[Sample], labels: NDArray[np.float32]
) -> Square:
    tile = recipe.fit.tile_px
    white = np.full((1, tile, tile, 3), WHITE, np.uint8)
    tiles = tf.constant(np.concatenate([np.stack(pixels), white]))
    unlabelled = np.zeros((1, labels.shape[1]), np.float32)
    targets = tf.constant(np.concatenate([labels, unlabelled]))
    grid, places = _map_of_tiles(samples, margin=max(recipe.fit.square_px) // tile)
    whole, where = tf.constant(grid), tf.constant(places)

    def square(index: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
        count = side // tile
        corner = where[index] - tf.random.uniform((2,), 0, count, tf.int32)
        window = tf.slice(whole, corner, (count, count))
        image = tf.reshape(tf.transpose(tf.gather(tiles, window), (0, 2, 1, 3, 4)), (side, side, 3))
        return turn(image, tf.gather(targets, window))

    return square


def _map_of_tiles(samples: Sequence[Sample], margin: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """All sections on one grid, `margin` apart: sample index by place, `len(samples)` where there is none; and each
    sample's (row, column)."""
    found = sections(samples)
    height = sum(section.grid.shape[0] + margin for section in found) + margin
    width = max(section.grid.shape[1] for section in found) + 2 * margin
    grid = np.full((height, width), len(samples), np.int32)
    places = np.zeros((len(samples), 2), np.int32)
    top = margin
    for section in found:
        rows, columns = np.nonzero(section.grid >= 0)
        indexes = section.grid[rows, columns]
        places[indexes] = np.stack([top + rows, margin + columns], 1)
        grid[top + rows, margin + columns] = indexes
        top += section.grid.shape[0] + margin
    return grid, places
