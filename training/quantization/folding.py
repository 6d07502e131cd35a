"""A network made ready for integers: batch norm becomes part of the convolutions, and biases make up for rounded weights.

Rounding a convolution's weights to 8 bits shifts the mean of each of its channels, since what comes in is not 0 on average
(after a ReLU it can't be). The shift is known from the mean input, so the bias takes it away (Nagel et al. 2019, "bias
correction"). docs/researchers/networks.md has what this gains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, tree
from numpy.typing import NDArray

from training.networks import scale_pixels
from training.networks.head import CLASS_MAP

WEIGHT_STEPS = 127


Layers = dict[str, list[keras.layers.Layer]]


def neighbours(model: keras.Model) -> tuple[Layers, Layers]:
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
    before, after = neighbours(model)
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
        biased = {"use_bias": True} if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D) else {}
        return layer.__class__.from_config(layer.get_config() | biased)

    copy = keras.models.clone_model(model, clone_function=without_norm, call_function=call_layer)
    for layer in model.layers:
        if layer.name in norms:
            copy.get_layer(layer.name).set_weights(_folded(layer, norms[layer.name]))
        elif layer.name not in convolutions:
            weights = layer.get_weights()
            unbiased = [
                np.zeros(shape) for shape in (w.shape for w in copy.get_layer(layer.name).weights[len(weights) :])
            ]
            copy.get_layer(layer.name).set_weights([*weights, *unbiased])
    return copy


def call_layer(layer: keras.layers.Layer, *arguments: Any, **named: Any) -> Any:
    """Call a layer of a copied network as in its original."""
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


def round_weights(kernel: tf.Tensor, *, depthwise: bool) -> tf.Tensor:
    """A kernel [h, w, in, out] in steps of 1/127 of each output channel's largest weight, as the converter rounds it."""
    axes = (0, 1, 3) if depthwise else (0, 1, 2)
    step = tf.maximum(tf.reduce_max(tf.abs(kernel), axes, keepdims=True), 1e-9) / WEIGHT_STEPS
    return tf.round(kernel / step) * step


def is_depthwise(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, layers.DepthwiseConv2D)


def convolutions(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers whose weights the integer network rounds; the head's stay exact."""
    kinds = (layers.Conv2D, layers.DepthwiseConv2D)
    return [layer for layer in model.layers if isinstance(layer, kinds) and layer.name != CLASS_MAP]


def mean_inputs(model: keras.Model, pictures: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
    """The mean of each input channel of each convolution over pictures uint8 [h, w, 3] and places."""
    convolved = convolutions(model)
    ends = keras.Model(model.input, [layer.input for layer in convolved])
    means = tf.function(
        lambda x: [tf.reduce_mean(y, (0, 1, 2)) for y in ends(x, training=False)], reduce_retracing=True
    )
    sums = [np.zeros(layer.input.shape[-1]) for layer in convolved]
    for picture in pictures:
        for total, mean in zip(sums, means(scale_pixels(picture[None])), strict=True):
            total += mean.numpy()
    return {
        layer.name: (total / len(pictures)).astype(np.float32) for layer, total in zip(convolved, sums, strict=True)
    }


def bias_shift(kernel: tf.Tensor, rounded: tf.Tensor, mean_input: tf.Tensor, *, depthwise: bool) -> tf.Tensor:
    """How far rounding moves the mean of each output channel, borders aside."""
    error = tf.reduce_sum(rounded - kernel, (0, 1))
    return error[:, 0] * mean_input if depthwise else tf.linalg.matvec(error, mean_input, transpose_a=True)


def prepare(model: keras.Model, pictures: Sequence[NDArray[np.uint8]]) -> keras.Model:
    """A copy for the converter: without batch norm, biases corrected for the rounding of weights that is to come."""
    copy = fold(model)
    means = mean_inputs(copy, pictures)
    for layer in convolutions(copy):
        kernel, bias = layer.get_weights()
        rounded = round_weights(kernel, depthwise=is_depthwise(layer))
        shift = bias_shift(kernel, rounded, means[layer.name], depthwise=is_depthwise(layer))
        layer.set_weights([kernel, bias - shift.numpy()])
    return copy
