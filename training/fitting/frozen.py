"""What a network's frozen blocks make of training squares, computed once instead of at each step.

Frozen blocks give the same for the same square in every pass and in every fold. With `fit.copies` a number of squares is
made of each picture, the first as it is and the others changed as augmentation says; the frozen blocks read them once, and
training goes on from there. The numbers lie in `frozen` beside the run's folder, so that the folds of a cross-validation
and a fit on everything beside them share them: they hang on pictures, frozen weights and augmentation, and on no label or
split.

    FOLDER/frozen/KEY.npy           float16 [copies, pictures, rows, columns, channels]
    FOLDER/frozen/KEY.counts.npy    bool [copies, pictures, rows, columns]: which places of the units make the logit
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from msgspec import to_builtins
from numpy.typing import NDArray

from training import networks
from training.data import Sample, adapter_module, kinds_of, load_pixels
from training.fitting.augment import cut, recolour
from training.fitting.balance import epoch_order
from training.fitting.batches import weighted_targets
from training.networks.head import CLASS_MAP
from training.recipe import Recipe
from training.stamp import code_of, library_versions

READ_AT_ONCE = 128
COPY_SEEDS = 1000  # apart from those of the batches' order


@dataclass(frozen=True)
class Frozen:
    """Outputs of the frozen blocks by copy and picture, which places count, and the number of each sample's picture."""

    values: NDArray[np.float16]
    counts: NDArray[np.bool_]
    numbers: dict[tuple[str, Any], int]

    def of(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        """The numbers of some samples' pictures."""
        return np.array([self.numbers[sample.file, sample.box] for sample in samples])

    def at(self, copies: NDArray[np.int64], numbers: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """What `Rest.inputs` takes, of some pictures' copies."""
        return {
            "frozen": self.values[copies, numbers].astype(np.float32),
            "counts": self.counts[copies, numbers].astype(np.float32),
        }


class CountedMean(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """The mean of maps [n, rows, columns, d] over the places that count [n, rows, columns]."""

    def call(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        values, counts = inputs
        weights = counts[..., None]
        return tf.reduce_sum(values * weights, (1, 2)) / tf.reduce_sum(weights, (1, 2))

    def compute_output_shape(self, shapes: Any) -> Any:
        return shapes[0][0], shapes[0][-1]


@dataclass(frozen=True)
class Rest:
    """A network after its frozen blocks: the same layers, from what these make of a picture and the places that count to
    the `logits`, or to the units' means."""

    logits: keras.Model
    units: keras.Model


def split_network(model: keras.Model, frozen_blocks: int) -> tuple[keras.Model, Rest]:
    """The frozen part of lite0 or a part of it, picture → frozen output, and the rest, which shares the model's layers."""
    names = [f"block{frozen_blocks - 1}_{end}" for end in ("add", "bn2")]
    has = {layer.name for layer in model.layers}
    frozen = model.get_layer(next(name for name in names if name in has)).output
    # What is cached is no larger than the places of the class map say; a picture's sides stay free.
    counts = keras.Input((None, None), name="counts")
    start = keras.Input((None, None, frozen.shape[-1]), name="frozen")
    after = keras.Model(frozen, [model.output["features"], model.output[CLASS_MAP]])
    features, class_map = after(start)
    inputs = {"frozen": start, "counts": counts}
    return (
        keras.Model(model.input, frozen),
        Rest(
            keras.Model(inputs, CountedMean()([class_map, counts])),
            keras.Model(inputs, CountedMean()([features, counts])),
        ),
    )


def frozen_squares(recipe: Recipe, data: Path, folder: Path, samples: Sequence[Sample], model: keras.Model) -> Frozen:
    """Of squares of all samples' pictures, read now unless `folder` has them. Another process that reads them is waited
    for."""
    pictures = {(sample.file, sample.box): sample for sample in samples}
    ordered = sorted(pictures.values(), key=lambda sample: (sample.file, sample.box or ()))
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(recipe, ordered)
    values, counts = folder / f"{key}.npy", folder / f"{key}.counts.npy"
    with (folder / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (values.is_file() and counts.is_file()):
            print(f"the frozen blocks read {len(ordered)} pictures, {recipe.fit.copies} squares of each")
            _read(recipe, data, ordered, model, values, counts)
    numbers = {(sample.file, sample.box): number for number, sample in enumerate(ordered)}
    return Frozen(np.load(values, mmap_mode="r"), np.load(counts, mmap_mode="r"), numbers)


def _key(recipe: Recipe, samples: Sequence[Sample]) -> str:
    """Names what decides the numbers, code and libraries among it."""
    settings = to_builtins(recipe)
    deciding = {
        **{part: settings[part] for part in ("data", "network", "augmentation")},
        **{name: settings["fit"][name] for name in ("square_px", "place", "copies", "seed")},
        "samples": [(sample.file, sample.box, sample.extra) for sample in samples],
        "code": code_of((__name__, adapter_module(recipe))),
        "libraries": library_versions(),
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:32]


def _read(
    recipe: Recipe, data: Path, samples: Sequence[Sample], model: keras.Model, values_file: Path, counts_file: Path
) -> None:
    trunk, _ = split_network(model, recipe.network.frozen_blocks)
    (side,), fit = recipe.fit.square_px, recipe.fit
    stride = networks.output_strides(model)["features"]
    middle = fit.place == "middle"

    def frozen(squares: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        scaled = (tf.cast(squares, tf.float32) - networks.PIXEL_MEAN) / networks.PIXEL_SCALE
        counts = networks.places_that_count(scaled, recipe.network.counts, side // stride, side // stride)
        return tf.cast(trunk(scaled, training=False), tf.float16), counts

    as_is = tf.function(frozen, reduce_retracing=True)
    changed = tf.function(lambda squares: frozen(recolour(squares, recipe.augmentation)), reduce_retracing=True)
    cut_square = tf.function(
        lambda picture: cut(picture, recipe.augmentation, side, middle=middle), reduce_retracing=True
    )
    shape = trunk.compute_output_shape((1, side, side, 3))[1:]
    parts = values_file.with_suffix(".part"), counts_file.with_suffix(".part")
    size = (fit.copies, len(samples))
    values = np.lib.format.open_memmap(parts[0], "w+", np.float16, (*size, *shape))
    counts = np.lib.format.open_memmap(parts[1], "w+", np.bool_, (*size, side // stride, side // stride))
    for first in range(0, len(samples), READ_AT_ONCE):
        some = slice(first, first + READ_AT_ONCE)
        pictures = load_pixels(data, samples[some], recipe.data)
        if middle:  # turned or enlarged, a square needs no more
            pictures = [_around_middle(picture, 2 * side) for picture in pictures]
        tf.random.set_seed(fit.seed * COPY_SEEDS + first)
        for copy in range(fit.copies):
            squares = [cut_square(picture).numpy() if copy else middle_square(picture, side) for picture in pictures]
            read = (changed if copy else as_is)(np.stack(squares))
            values[copy, some], counts[copy, some] = (each.numpy() for each in read)
    for part, file in zip(parts, (values_file, counts_file), strict=True):
        part.replace(file)


def middle_square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The square in a picture's middle, mirrored at its edges where the picture is smaller: uint8 [side, side, 3]."""
    missing = [max(0, side - length) for length in picture.shape[:2]]
    padded = np.pad(picture, [*((m // 2, m - m // 2) for m in missing), (0, 0)], "symmetric")
    return _around_middle(padded, side)


def _around_middle(picture: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """A picture's middle, of at most so many pixels a side."""
    height, width = (min(length, most) for length in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def frozen_batches(recipe: Recipe, frozen: Frozen, samples: Sequence[Sample]) -> tf.data.Dataset:
    """Endless batches for `Rest.logits`, each picture met as one of its copies; targets as in `batches.py`."""
    kinds, fit = kinds_of(samples), recipe.fit
    targets, numbers = weighted_targets(recipe, samples), frozen.of(samples)

    def batches() -> Iterator[tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]]:
        rng = np.random.default_rng(fit.seed)
        while True:
            order = epoch_order(kinds, fit.balance, rng)
            for first in range(0, len(order) - fit.batch + 1, fit.batch):
                some = order[first : first + fit.batch]
                yield frozen.at(rng.integers(0, fit.copies, len(some)), numbers[some]), targets[some]

    _, _, rows, columns, channels = frozen.values.shape
    spec = (
        {
            "frozen": tf.TensorSpec((fit.batch, rows, columns, channels)),
            "counts": tf.TensorSpec((fit.batch, *frozen.counts.shape[2:])),
        },
        tf.TensorSpec((fit.batch, targets.shape[1])),
    )
    return tf.data.Dataset.from_generator(batches, output_signature=spec).prefetch(2)


def unit_means(rest: Rest, frozen: Frozen, samples: Sequence[Sample]) -> NDArray[np.float32]:
    """The units' means over the places that count [n, units], of each sample's square as it is."""
    numbers = frozen.of(samples)
    means = tf.function(lambda inputs: rest.units(inputs, training=False), reduce_retracing=True)
    parts = [numbers[first : first + READ_AT_ONCE] for first in range(0, len(numbers), READ_AT_ONCE)]
    return np.concatenate([means(frozen.at(np.zeros(len(part), np.int64), part)).numpy() for part in parts])
