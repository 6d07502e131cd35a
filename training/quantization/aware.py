"""Quantization-aware fine-tuning: the way out when the integer network misses its budget.

    tuned = rescue(model, pictures, epochs=3, seed=1)      # the same outputs; convert(tuned, …) loses less

Keras 3 has no tool for it, and this is small: a copy of the network without batch norm (`fold`), in which every tensor that
the integer network rounds is rounded, learns to say on the pictures what the float network says. Labels aren't needed,
so nothing is learnt of the pictures but how to bear rounding.

- Weights: rounded as the converter rounds them, 8 bits for each channel, biases corrected, before each step; the step's
  gradient changes the unrounded ones (the straight-through estimator, as in Jacob et al. 2018).
- Activations: 8 bits over the range that they take on the same pictures, which is how the converter chooses it.

Works for networks of convolutions, batch norm, ReLU, additions and poolings. The class-map head stays exact, as on the box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from training.networks import place_mean, scale_pixels
from training.networks.applications import PIXELS
from training.networks.head import CLASS_MAP
from training.quantization.folding import (
    bias_shift,
    call_layer,
    convolutions,
    fold,
    is_depthwise,
    mean_inputs,
    neighbours,
    round_weights,
)

BATCH = 4
LEARNING_RATE = 1e-6
SHAPELESS = (layers.ZeroPadding2D, layers.MaxPooling2D, layers.Dropout, layers.SpatialDropout2D)
"""Layers whose integer output has the steps of their input: nothing is rounded anew."""


class _Rounded(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Its input, rounded to 8 bits over a range that holds 0; gradients pass inside the range."""

    def __init__(self, low: float, high: float, name: str) -> None:
        super().__init__(name=name)
        self.low, self.high = min(low, 0.0), max(high, 1e-6)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.quantization.fake_quant_with_min_max_args(x, self.low, self.high)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def _rounded_layers(model: keras.Model) -> list[str]:
    """The layers whose outputs the integer network rounds. A convolution is one with the ReLU that follows it."""
    after = neighbours(model)[1]

    def merges(layer: keras.layers.Layer) -> bool:
        following = after[layer.name]
        return len(following) == 1 and isinstance(following[0], layers.ReLU | layers.Identity)

    return [
        layer.name
        for layer in model.layers
        if not isinstance(layer, (layers.InputLayer, *SHAPELESS)) and layer.name != CLASS_MAP and not merges(layer)
    ]


def _ranges(
    model: keras.Model, names: Sequence[str], pictures: Sequence[NDArray[np.uint8]]
) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each layer over the pictures."""
    ends = keras.Model(model.input, [model.get_layer(name).output for name in names])
    extremes = tf.function(
        lambda x: tf.stack([(tf.reduce_min(y), tf.reduce_max(y)) for y in ends(x, training=False)]),
        reduce_retracing=True,
    )
    ends_of_pictures = np.stack([extremes(scale_pixels(picture[None])).numpy() for picture in pictures])
    return dict(
        zip(names, zip(ends_of_pictures[..., 0].min(0), ends_of_pictures[..., 1].max(0), strict=True), strict=True)
    )


def _rounding(model: keras.Model, ranges: dict[str, tuple[float, float]]) -> keras.Model:
    """A copy that rounds activations, with the weights of `model`."""

    def call(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
        out = call_layer(layer, *arguments, **named)
        if layer.name in ranges:
            low, high = ranges[layer.name]
            return _Rounded(float(low), float(high), f"{layer.name}_rounded")(out)
        return out

    copy = keras.models.clone_model(
        model, call_function=call, clone_function=lambda layer: layer.__class__.from_config(layer.get_config())
    )
    for layer in model.layers:
        copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _batches(pictures: Sequence[NDArray[np.uint8]], random: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """All pictures once in random order, those of one shape together, flipped at random."""
    order = random.permutation(len(pictures))
    shapes = sorted({picture.shape for picture in pictures})
    for shape in shapes:
        alike = [pictures[i] for i in order if pictures[i].shape == shape]
        for start in range(0, len(alike), BATCH):
            batch = np.stack(alike[start : start + BATCH])
            yield scale_pixels(batch[:, :: random.choice((-1, 1)), :: random.choice((-1, 1))])


def rescue(
    model: keras.Model, pictures: Sequence[NDArray[np.uint8]], epochs: int, seed: int, counts: str
) -> keras.Model:
    """A network with the same outputs as `model` and no batch norm, which loses less when it is converted.

    `pictures` uint8 [h, w, 3] are those of the training part; each epoch passes over all of them once. The best pass
    counts, and none if none helped. "Distance" is of class maps and logits, mean squares added.
    """
    tuned = fold(model)
    student = _rounding(tuned, _ranges(tuned, _rounded_layers(tuned), pictures))
    for layer in student.layers:  # blocks that fitting kept as they were are rounded like all others
        layer.trainable = layer.name != PIXELS
    held = student.trainable_variables
    exact = [tf.Variable(variable.value) for variable in held]
    place = {variable.path: index for index, variable in enumerate(held)}
    means = mean_inputs(tuned, pictures)
    rounded = [
        (place[layer.kernel.path], place[layer.bias.path], is_depthwise(layer), tf.constant(means[layer.name]))
        for layer in convolutions(student)
        if layer.trainable
    ]
    steps = epochs * sum(1 for _ in _batches(pictures, np.random.default_rng(seed)))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, max(1, steps)))
    optimizer.build(held)

    def put_rounded() -> None:
        for kernel, bias, depthwise, mean in rounded:
            weights = round_weights(exact[kernel], depthwise=depthwise)
            held[kernel].assign(weights)
            held[bias].assign(exact[bias] - bias_shift(exact[kernel], weights, mean, depthwise=depthwise))

    def put_exact() -> None:
        for variable, value in zip(held, exact, strict=True):
            variable.assign(value)

    def distance(x: tf.Tensor) -> tf.Tensor:
        error = student(x, training=False)[CLASS_MAP] - model(x, training=False)[CLASS_MAP]
        return tf.reduce_mean(tf.square(error)) + tf.reduce_mean(tf.square(place_mean(error, x, counts)))

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor) -> None:
        put_rounded()
        with tf.GradientTape() as tape:
            loss = distance(x)
        gradients = tape.gradient(loss, held)
        put_exact()
        optimizer.apply(gradients, held)
        for variable, value in zip(held, exact, strict=True):
            value.assign(variable)

    measured = tf.function(distance, reduce_retracing=True)

    def mean_distance() -> float:
        put_rounded()
        mean = float(np.mean([measured(scale_pixels(picture[None])) for picture in pictures]))
        put_exact()
        return mean

    random = np.random.default_rng(seed)
    least, best = mean_distance(), [value.numpy() for value in exact]
    print(f"quantization-aware fine-tuning: distance {least:.5f} before")
    for epoch in range(epochs):
        for batch in _batches(pictures, random):
            step(batch)
        passed = mean_distance()
        print(f"pass {epoch + 1} of {epochs}: distance {passed:.5f}")
        if passed < least:
            least, best = passed, [value.numpy() for value in exact]
    for variable, value in zip(held, best, strict=True):
        variable.assign(value)
    for layer in tuned.layers:
        layer.set_weights(student.get_layer(layer.name).get_weights())
    return tuned
