"""The head that every network ends in: a 1×1 convolution of the last features, one map for each class."""

from __future__ import annotations

import keras
from keras import layers

CLASS_MAP = "class_map"


def finish(
    name: str,
    image: keras.KerasTensor,
    early: keras.KerasTensor,
    middle: keras.KerasTensor,
    features: keras.KerasTensor,
    classes: int,
    dropout: float,
) -> keras.Model:
    """A network with the outputs `early`, `middle`, `features` and `class_map`. Dropout takes whole units away."""
    dropped = layers.SpatialDropout2D(dropout, name="head_dropout")(features) if dropout else features
    class_map = layers.Conv2D(classes, 1, name=CLASS_MAP)(dropped)
    return keras.Model(image, {"early": early, "middle": middle, "features": features, CLASS_MAP: class_map}, name=name)
