"""The small networks of the field, to be compared with: the 3-conv and 5-conv networks of IDC patches, and AlexNet.

Where the originals flatten the last map into dense layers, these keep its places: a dense layer is a 1×1 convolution, the
same arithmetic at each place, and the class map is averaged over them. The field's 50 px patches come as 64 px, the
next multiple of 32, which is what the box's decoder makes of them.
"""

from __future__ import annotations

import keras
from keras import layers

from training.networks.head import finish

DENSE = 64
CONV3_WIDTHS = (32, 64, 64)
CONV5_WIDTHS = (64, 128, 128, 128, 128)
ALEXNET_UNITS = 1024


def _stages(x: keras.KerasTensor, widths: tuple[int, ...]) -> list[keras.KerasTensor]:
    """After each 3×3 convolution with ReLU, its 2×2 maximum; stage n ends at stride 2**(n + 1)."""
    ends = []
    for number, width in enumerate(widths, 1):
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
        ends.append(x)
    return ends


def _dense(x: keras.KerasTensor, dropout: float) -> keras.KerasTensor:
    dropped = layers.SpatialDropout2D(dropout, name="dense_dropout")(x) if dropout else x
    return layers.Conv2D(DENSE, 1, activation="relu", name="dense")(dropped)


def conv3(image: keras.KerasTensor, classes: int, dropout: float) -> keras.Model:
    """Three convolutions; `early` at stride 4, `middle` and `features` at 8."""
    ends = _stages(image, CONV3_WIDTHS)
    return finish("conv3", image, ends[1], ends[2], _dense(ends[2], dropout), classes, dropout)


def conv5(image: keras.KerasTensor, classes: int, dropout: float) -> keras.Model:
    """Five convolutions, 64-128-128-128-128, and dense-64; `early` at stride 8, `middle` at 16, `features` at 32."""
    ends = _stages(image, CONV5_WIDTHS)
    return finish("conv5", image, ends[2], ends[3], _dense(ends[4], dropout), classes, dropout)


def alexnet(image: keras.KerasTensor, classes: int, dropout: float) -> keras.Model:
    """AlexNet (Krizhevsky et al. 2012) up to its fifth convolution, then 1024 units in place of the dense layers, as Zhou
    et al. (2016) make its class maps. Without local response normalisation, which later work found to do nothing.
    `early` after the first pooling (stride 8), `middle` after the second (16), `features` at 16.
    """

    def conv(x: keras.KerasTensor, width: int, kernel: int, name: str, strides: int = 1) -> keras.KerasTensor:
        return layers.Conv2D(width, kernel, strides, padding="same", activation="relu", name=name)(x)

    early = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(conv(image, 96, 11, "conv1", 4))
    middle = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(conv(early, 256, 5, "conv2"))
    x = middle
    for name, width in (("conv3", 384), ("conv4", 384), ("conv5", 256)):
        x = conv(x, width, 3, name)
    return finish("alexnet", image, early, middle, conv(x, ALEXNET_UNITS, 3, "units"), classes, dropout)
