"""EfficientNet-Lite0, the network that Loupe ships: fully convolutional, made for integers.

Its outputs beside the class map that all networks have:

- `early`: [h/8, w/8, 40], the linear output of the third stage, from which the gate tells how a picture is made;
- `middle`: [h/16, w/16, 112], that of the fifth, from which it tells whether the model knows what is shown;
- `features`: [h/32, w/32, 1280], the units, 0…6 (ReLU6).

`lite0-shallow` is its first eleven blocks, as far as `middle`. Its units are the 240 channels into which the sixth block
widens `early`, at stride 8: texture, which carries over between patients better than what deeper layers know where
patients to learn from are few (docs/engineers/decisions.md has the figures).

`lite0-middle` has the same blocks, and units where the eleventh widens: 672 channels at stride 16. It is for sets with
patients enough to train its last blocks on.

The architecture is Tan & Le's EfficientNet with the changes of "EfficientNet-Lite" (ReLU6, no squeeze-and-excite, fixed
stem and head widths), which make it quantize well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from training.networks.head import finish
from training.networks.imagenet import lite0_state

FEATURES = 1280
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.98
EARLY_STAGE, MIDDLE_STAGE = 2, 4
SHALLOW_UNITS = "block5_bn0_relu6"
MIDDLE_UNITS, BEFORE_MIDDLE_UNITS = "block10_bn0_relu6", "block9_add"


class Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STEM_WIDTH = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def _norm(x: keras.KerasTensor, name: str, *, relu: bool) -> keras.KerasTensor:
    x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if relu else x


def _conv(x: keras.KerasTensor, width: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    return layers.Conv2D(width, kernel, stride, padding="same", use_bias=False, name=name)(x)


def _block(x: keras.KerasTensor, index: int, stage: Stage, stride: int) -> keras.KerasTensor:
    name, width = f"block{index}", x.shape[-1]
    y = x
    if stage.expansion > 1:
        y = _norm(_conv(y, width * stage.expansion, 1, 1, f"{name}_expand"), f"{name}_bn0", relu=True)
    y = layers.DepthwiseConv2D(stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(y)
    y = _norm(y, f"{name}_bn1", relu=True)
    y = _norm(_conv(y, stage.width, 1, 1, f"{name}_project"), f"{name}_bn2", relu=False)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and width == stage.width else y


BLOCKS = sum(stage.repeats for stage in STAGES)


def _ends(image: keras.KerasTensor, stages: Sequence[Stage]) -> list[keras.KerasTensor]:
    """The output of each stage."""
    x = _norm(_conv(image, STEM_WIDTH, 3, 2, "stem"), "stem_bn", relu=True)
    ends, index = [], 0
    for stage in stages:
        for repeat in range(stage.repeats):
            x = _block(x, index, stage, stage.stride if repeat == 0 else 1)
            index += 1
        ends.append(x)
    return ends


def lite0(image: keras.KerasTensor, classes: int, dropout: float) -> keras.Model:
    """The network on an input tensor, with random weights until `load_imagenet`."""
    ends = _ends(image, STAGES)
    features = _norm(_conv(ends[-1], FEATURES, 1, 1, "head"), "head_bn", relu=True)
    return finish("lite0", image, ends[EARLY_STAGE], ends[MIDDLE_STAGE], features, classes, dropout)


def lite0_shallow(image: keras.KerasTensor, classes: int, dropout: float) -> keras.Model:
    """Its first stages, with units at a third of its depth."""
    ends = _ends(image, STAGES[: MIDDLE_STAGE + 1])
    units = keras.Model(image, ends[-1]).get_layer(SHALLOW_UNITS).output
    return finish("lite0-shallow", image, ends[EARLY_STAGE], ends[MIDDLE_STAGE], units, classes, dropout)


def lite0_middle(image: keras.KerasTensor, classes: int, dropout: float) -> keras.Model:
    """The same stages with units in the last of them; `middle` is what these are made from, so all of it is trained."""
    whole = keras.Model(image, _ends(image, STAGES[: MIDDLE_STAGE + 1]))
    units, middle = whole.get_layer(MIDDLE_UNITS).output, whole.get_layer(BEFORE_MIDDLE_UNITS).output
    return finish("lite0-middle", image, whole.output[EARLY_STAGE], middle, units, classes, dropout)


def freeze(model: keras.Model, blocks: int) -> None:
    """Keep the stem and the first `blocks` blocks as they are. Their batch norm then uses, and keeps, its moving
    statistics in training steps too, as Keras does for every batch norm that isn't trainable."""
    frozen = ("stem", *(f"block{index}_" for index in range(blocks)))
    for layer in model.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False


def load_imagenet(model: keras.Model) -> None:
    """Put the ImageNet weights into every layer that the model has, but the class-map head."""
    state, has = lite0_state(), {layer.name for layer in model.layers}

    def convolution(layer: str, key: str, axes: tuple[int, ...]) -> None:
        if layer in has:
            model.get_layer(layer).set_weights([np.transpose(state[f"{key}.weight"], axes)])

    def norm(layer: str, key: str) -> None:
        names = ("weight", "bias", "running_mean", "running_var")
        if layer in has:
            model.get_layer(layer).set_weights([state[f"{key}.{name}"] for name in names])

    def dense_then_norm(prefix: str, key: str, conv: str, bn: str, bn_key: str) -> None:
        convolution(f"{prefix}{conv}", key, (2, 3, 1, 0))
        norm(f"{prefix}{bn}", bn_key)

    dense_then_norm("", "_conv_stem", "stem", "stem_bn", "_bn0")
    dense_then_norm("", "_conv_head", "head", "head_bn", "_bn1")
    for index in range(BLOCKS):
        key, prefix = f"_blocks.{index}", f"block{index}_"
        if f"{key}._expand_conv.weight" in state:
            dense_then_norm(prefix, f"{key}._expand_conv", "expand", "bn0", f"{key}._bn0")
        convolution(f"{prefix}depthwise", f"{key}._depthwise_conv", (2, 3, 0, 1))
        norm(f"{prefix}bn1", f"{key}._bn1")
        dense_then_norm(prefix, f"{key}._project_conv", "project", "bn2", f"{key}._bn2")
