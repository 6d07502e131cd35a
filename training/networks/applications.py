"""The networks of the field that Keras has: ResNet, DenseNet, EfficientNet, VGG and Inception, ending in class maps.

Each expects pixels of its own kind. A fixed 1×1 convolution named `pixels` turns Loupe's pixels into those, so that every
network takes the same uint8 picture; it never trains. Layers keep Keras' names, and weights are random until
`training/networks/weights.py` loads some.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from training.networks.head import finish
from training.networks.pixels import PIXEL_MEAN, PIXEL_SCALE

PIXELS = "pixels"
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])
CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68])


@dataclass(frozen=True)
class Application:
    """`make` is Keras' constructor; `early` (stride 8), `middle` (stride 16) and `features` name its layers. Channel j of
    what it expects is Σᵢ RGBᵢ · matrix[i, j] + offset[j], RGB 0…255."""

    make: Callable[..., keras.Model]
    early: str
    middle: str
    features: str
    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]


_CAFFE = (np.eye(3)[:, ::-1], -CAFFE_MEAN_BGR)
_TORCH = (np.diag(1 / (255 * IMAGENET_STD)), -IMAGENET_MEAN / IMAGENET_STD)
_MINUS_ONE_TO_ONE = (np.eye(3) / 127.5, -np.ones(3))
# Keras' EfficientNet divides by 255 itself; its own normalisation layer stays an identity (see `weights.py`).
_TORCH_TIMES_255 = (np.diag(1 / IMAGENET_STD), -255 * IMAGENET_MEAN / IMAGENET_STD)

APPLICATIONS = {
    "resnet50": Application(
        keras.applications.ResNet50, "conv3_block4_out", "conv4_block6_out", "conv5_block3_out", *_CAFFE
    ),
    "resnet152": Application(
        keras.applications.ResNet152, "conv3_block8_out", "conv4_block36_out", "conv5_block3_out", *_CAFFE
    ),
    "densenet201": Application(keras.applications.DenseNet201, "pool3_conv", "pool4_conv", "relu", *_TORCH),
    "efficientnetb0": Application(
        keras.applications.EfficientNetB0, "block3b_add", "block5c_add", "top_activation", *_TORCH_TIMES_255
    ),
    "vgg16": Application(keras.applications.VGG16, "block3_pool", "block4_pool", "block5_pool", *_CAFFE),
    "inceptionv3": Application(keras.applications.InceptionV3, "mixed2", "mixed7", "mixed10", *_MINUS_ONE_TO_ONE),
}


def _padded(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer with the padding that keeps places in place: Inception's unpadded ones would shift its maps inwards."""
    config = layer.get_config()
    if config.get("padding") == "valid" and isinstance(layer, layers.Conv2D | layers.MaxPooling2D):
        config["padding"] = "same"
    return layer.__class__.from_config(config)


def application(name: str, image: keras.KerasTensor, classes: int, dropout: float) -> keras.Model:
    """The network of a name on an input tensor, with random weights."""
    chosen = APPLICATIONS[name]
    pixels = layers.Conv2D(3, 1, name=PIXELS)(image)
    trunk = chosen.make(include_top=False, weights=None, input_tensor=pixels)
    if name == "inceptionv3":
        trunk = keras.models.clone_model(trunk, clone_function=_padded)
    early, middle, features = (trunk.get_layer(end).output for end in (chosen.early, chosen.middle, chosen.features))
    model = finish(name, trunk.input, early, middle, features, classes, dropout)
    fixed = model.get_layer(PIXELS)
    fixed.set_weights([(PIXEL_SCALE * chosen.matrix)[None, None], chosen.offset + PIXEL_MEAN * chosen.matrix.sum(0)])
    fixed.trainable = False
    return model
