"""The networks that a recipe may name.

    model = build("lite0", classes=4, dropout=0.3, frozen_blocks=5)
    load_weights(model, "lite0", "imagenet")

A picture whose sides are multiples of 32 goes in as float pixels scaled to (x − 127) / 128; out come

- `early`: [h/8, w/8, C], from which the gate tells how a picture is made;
- `middle`: [h/16, w/16, C], from which it tells whether the model knows what is shown;
- `features`: [h/32, w/32, C], the units;
- `class_map`: [h/32, w/32, K]: a 1×1 convolution of the features, whose mean over the places that count is the logit
  (`place_mean`).

Strides are those of most networks; `output_strides` tells a network's own. docs/researchers/networks.md compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras

from training.errors import NetworkError
from training.networks import weights
from training.networks.applications import APPLICATIONS, application
from training.networks.lite0 import BLOCKS, freeze, lite0, lite0_middle, lite0_shallow
from training.networks.pixels import PIXEL_MEAN, PIXEL_SCALE, scale_pixels
from training.networks.places import PlaceMean, place_mean, places_that_count
from training.networks.small import alexnet, conv3, conv5

__all__ = [
    "NETWORKS",
    "PIXEL_MEAN",
    "PIXEL_SCALE",
    "PlaceMean",
    "build",
    "load_weights",
    "output_strides",
    "place_mean",
    "places_that_count",
    "scale_pixels",
]

STRIDE_PROBE_PX = 256

NETWORKS: dict[str, Callable[[keras.KerasTensor, int, float], keras.Model]] = {
    "lite0": lite0,
    "lite0-shallow": lite0_shallow,
    "lite0-middle": lite0_middle,
    "conv3": conv3,
    "conv5": conv5,
    "alexnet": alexnet,
    **{name: partial(application, name) for name in APPLICATIONS},
}


def build(
    name: str, classes: int, *, dropout: float = 0.0, frozen_blocks: int = 0, side: int | None = None
) -> keras.Model:
    """A network with the outputs that the module lists and random weights, for pictures of any size or of `side` px.

    Of lite0, stem and first `frozen_blocks` blocks are not trained. Raises `NetworkError`.
    """
    if name not in NETWORKS:
        raise NetworkError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}")
    if frozen_blocks and not name.startswith("lite0"):
        raise NetworkError(f"network.frozen_blocks is for lite0 and its parts; set it to 0 for {name}")
    if frozen_blocks > BLOCKS:
        raise NetworkError(f"lite0 has {BLOCKS} blocks; network.frozen_blocks can't be {frozen_blocks}")
    model = NETWORKS[name](keras.Input((side, side, 3), name="image"), classes, dropout)
    if frozen_blocks:
        freeze(model, frozen_blocks)
    return model


def load_weights(model: keras.Model, name: str, source: str) -> None:
    """Fill a network from `imagenet`, `none`, or the path of a file (see `training/networks/weights.py`)."""
    weights.load_weights(model, name, source, build)


def output_strides(model: keras.Model) -> dict[str, int]:
    """How many pixels of the picture one place of each output stands for."""
    side = model.input_shape[1] or STRIDE_PROBE_PX
    shapes = model.compute_output_shape((1, side, side, 3))
    return {name: side // shape[1] for name, shape in shapes.items()}
