"""Quantization-aware fine-tuning: the way out when the integer network misses its budget.

    tuned = rescue(model, pictures, epochs=3, seed=1)      # the same outputs; convert(tuned, …) loses less

Keras 3 has no tool for it, and this is small: a copy of the network without batch norm (`fold`), in which every tensor that
the integer network rounds is rounded, learns to say on the pictures what the float network says. Labels aren't needed,
so nothing is learnt of the pictures but how to bear rounding.

- Weights: rounded as the converter rounds them, 8 bits for each channel, before each step; the step's gradient changes the
  unrounded ones (the straight-through estimator, as in Jacob et al. 2018).
- Activations: 8 bits over the range that they take on the same pictures, which is how the converter chooses it.

Works for networks of convolutions, batch norm, ReLU, additions and poolings. The class-map head stays exact, as on the box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, tree
from numpy.typing import NDArray

from training.networks import scale_pixels
from training.networks.applications import PIXELS
from training.networks.head import CLASS_MAP

BATCH = 4
LEARNING_RATE = 1e-5
WEIGHT_STEPS = 127
SHAPELESS = (layers.ZeroPadding2D, layers.MaxPooling2D, layers.Dropout, layers.SpatialDropout2D)
"""Layers whose integer output has the steps of their input: nothing is rounded anew."""


def _neighbours(model: keras.Model) -> tuple[dict[str, list[keras.layers.Layer]], dict[str, list[keras.layers.Layer]]]:
    """The layers before and after each layer, by its name."""
    maker = {id(tensor): layer for layer in model.layers for tensor in tree.flatten(layer.output)}
    before: dict[str, list[keras.layers.Layer]] = {layer.name: [] for layer in model.layers}
    after: dict[str, list[keras.layers.Layer]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        if not isinstance(layer, layers.InputLayer):
            for tensor in tree.flatten(layer.input):
                before[layer.name].append(maker[id(tensor)])
                after[maker[id(tensor)].name].append(layer)
    return before, after


def fold(model: keras.Model) -> keras.Model:
    """A copy in which batch norm is part of the convolution before it, as it is in the integer network."""
    before, after = _neighbours(model)
    convolutions = {
        layer.name: before[layer.name][0]
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
        and isinstance(before[layer.name][0], layers.Conv2D | layers.DepthwiseConv2D)
        and before[layer.name][0].activation is keras.activations.linear
        and after[before[layer.name][0].name] == [layer]
    }
    norms = {convolution.name: model.get_layer(norm) for norm, convolution in convolutions.items()}

    def without_norm(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name in convolutions:
            return layers.Identity(name=layer.name)
        biased = {"use_bias": True} if layer.name in norms else {}
        return layer.__class__.from_config(layer.get_config() | biased)

    copy = keras.models.clone_model(model, clone_function=without_norm, call_function=_call)
    for layer in model.layers:
        if layer.name in norms:
            copy.get_layer(layer.name).set_weights(_folded(layer, norms[layer.name]))
        elif layer.name not in convolutions:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _call(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
    # Where batch norm was, the graph still holds its arguments, such as a mask, which an identity doesn't take.
    return layer(*arguments) if isinstance(layer, layers.Identity) else layer(*arguments, **named)


def _folded(convolution: keras.layers.Layer, norm: keras.layers.Layer) -> list[NDArray[Any]]:
    kernel, *bias = convolution.get_weights()
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    gain = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        gain = gain * np.asarray(norm.gamma)
    shift = (bias[0] - mean if bias else -mean) * gain
    if norm.center:
        shift = shift + np.asarray(norm.beta)
    # A depthwise kernel is [h, w, channels, 1], any other [h, w, in, out].
    depthwise = isinstance(convolution, layers.DepthwiseConv2D)
    return [kernel * (gain[:, None] if depthwise else gain), shift]


class _Rounded(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Its input, rounded to 8 bits over a range that holds 0; gradients pass inside the range."""

    def __init__(self, low: float, high: float, name: str) -> None:
        super().__init__(name=name)
        self.low, self.high = min(low, 0.0), max(high, 1e-6)

    def call(self, x: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(x, self.low, self.high)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def _rounded_layers(model: keras.Model) -> list[str]:
    """The layers whose outputs the integer network rounds. A convolution is one with the ReLU that follows it."""
    after = _neighbours(model)[1]

    def merges(layer: keras.layers.Layer) -> bool:
        following = after[layer.name]
        return len(following) == 1 and isinstance(following[0], layers.ReLU | layers.Identity)

    return [
        layer.name
        for layer in model.layers
        if not isinstance(layer, (layers.InputLayer, *SHAPELESS)) and layer.name != CLASS_MAP and not merges(layer)
    ]


def _ranges(model: keras.Model, names: Sequence[str], pictures: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
    """The least and the greatest value of each layer over the pictures."""
    ends = keras.Model(model.input, [model.get_layer(name).output for name in names])
    extremes = tf.function(
        lambda x: tf.stack([(tf.reduce_min(y), tf.reduce_max(y)) for y in ends(x, training=False)]),
        reduce_retracing=True,
    )
    found = np.stack([extremes(scale_pixels(picture[None])).numpy() for picture in pictures])
    return dict(zip(names, zip(found[..., 0].min(0), found[..., 1].max(0), strict=True), strict=True))


def _rounding(model: keras.Model, ranges: dict[str, Any]) -> keras.Model:
    """A copy that rounds activations, with the weights of `model`."""

    def call(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
        out = _call(layer, *arguments, **named)
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


def round_weights(kernel: Any, *, depthwise: bool) -> Any:
    """A kernel [h, w, in, out] in steps of 1/127 of each output channel's largest weight, as the converter rounds it."""
    axes = (0, 1, 3) if depthwise else (0, 1, 2)
    step = tf.maximum(tf.reduce_max(tf.abs(kernel), axes, keepdims=True), 1e-9) / WEIGHT_STEPS
    return tf.round(kernel / step) * step


def _batches(pictures: Sequence[NDArray[np.uint8]], random: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """All pictures once in random order, those of one shape together, flipped at random."""
    order = random.permutation(len(pictures))
    shapes = sorted({picture.shape for picture in pictures})
    for shape in shapes:
        alike = [pictures[i] for i in order if pictures[i].shape == shape]
        for start in range(0, len(alike), BATCH):
            batch = np.stack(alike[start : start + BATCH])
            yield scale_pixels(batch[:, :: random.choice((-1, 1)), :: random.choice((-1, 1))])


def rescue(model: keras.Model, pictures: Sequence[NDArray[np.uint8]], epochs: int, seed: int) -> keras.Model:
    """A network with the same outputs as `model` and no batch norm, which loses less when it is converted.

    `pictures` uint8 [h, w, 3] are those of the training part; each epoch passes over all of them once.
    """
    tuned = fold(model)
    student = _rounding(tuned, _ranges(tuned, _rounded_layers(tuned), pictures))
    student.trainable = True  # blocks that fitting kept as they were are rounded like all others
    for layer in student.layers:
        layer.trainable = layer.name != PIXELS
    kernels = {
        layer.kernel.path: isinstance(layer, layers.DepthwiseConv2D)
        for layer in student.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D) and layer.name != CLASS_MAP
    }
    held = student.trainable_variables
    exact = [tf.Variable(variable.value) for variable in held]
    steps = epochs * sum(1 for _ in _batches(pictures, np.random.default_rng(seed)))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, max(1, steps)))
    optimizer.build(held)

    def put(rounded: bool) -> None:
        for variable, value in zip(held, exact, strict=True):
            kernel = rounded and variable.path in kernels
            variable.assign(round_weights(value, depthwise=kernels[variable.path]) if kernel else value)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor) -> tf.Tensor:
        put(rounded=True)
        wanted = model(x, training=False)[CLASS_MAP]
        with tf.GradientTape() as tape:
            said = student(x, training=False)[CLASS_MAP]
            loss = tf.reduce_mean(tf.square(said - wanted))
            loss += tf.reduce_mean(tf.square(tf.reduce_mean(said - wanted, (1, 2))))
        gradients = tape.gradient(loss, held)
        put(rounded=False)
        optimizer.apply(gradients, held)
        for variable, value in zip(held, exact, strict=True):
            value.assign(variable)
        return loss

    random = np.random.default_rng(seed)
    for epoch in range(epochs):
        losses = [float(step(batch)) for batch in _batches(pictures, random)]
        print(f"quantization-aware fine-tuning, pass {epoch + 1} of {epochs}: distance {np.mean(losses):.5f}")
    for layer in tuned.layers:
        layer.set_weights(student.get_layer(layer.name).get_weights())
    return tuned
