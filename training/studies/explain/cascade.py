"""Sanity check of Adebayo et al. (2018): a map must change when the network's weights are randomised from the top down.

Weights of a layer are put in a random order, which keeps their spread (drawing anew would silence a network with batch norm
and ReLU6). Layers are taken block by block, and stay randomised. A method whose maps stay alike shows the picture, not
what the network makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from training.networks.head import CLASS_MAP
from training.studies.explain.floats import FloatNetwork
from training.studies.explain.methods import (
    GRAD_CAM,
    GRAD_CAM_EARLIER,
    HIRES_CAM,
    HIRES_CAM_EARLIER,
    OURS,
    gradient_cams,
)
from training.studies.explain.scores import rank_correlation

CASCADED = (OURS, GRAD_CAM, HIRES_CAM, GRAD_CAM_EARLIER, HIRES_CAM_EARLIER)


@dataclass(frozen=True)
class Stage:
    """How like the original one method's map of one picture is after a block, and all above it, was randomised: rank
    correlation of the values and of their sizes."""

    picture: int
    block: str
    method: str
    signed: float
    absolute: float


def blocks(model: keras.Model) -> list[tuple[str, list[keras.layers.Layer]]]:
    """What the class map comes through, the head first: name and layers with weights."""
    used = {layer.name for layer in keras.Model(model.input, model.output[CLASS_MAP]).layers}
    by_block: dict[str, list[keras.layers.Layer]] = {}
    for layer in reversed(model.layers):
        if layer.name in used and layer.weights:
            name = CLASS_MAP if layer.name == CLASS_MAP else re.split(r"_", layer.name)[0]
            by_block.setdefault(name, []).append(layer)
    return list(by_block.items())


def cascade(
    model: keras.Model, counts: str, pictures: Sequence[NDArray[np.uint8]], labels: Sequence[int], seed: int = 1
) -> list[Stage]:
    """All stages of some pictures, each for one class. The model itself is left as it is; `counts` says which places make
    its logits."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    network = FloatNetwork(copy, counts)
    rng = np.random.default_rng(seed)

    def maps() -> list[dict[str, NDArray[np.float64]]]:
        by_picture = []
        for pixels, label in zip(pictures, labels, strict=True):
            cams = {e.method: e.values for e in gradient_cams(network, pixels, label)}
            by_picture.append({OURS: network.class_map(pixels)[..., label], **cams})
        return by_picture

    original = maps()
    stages = []
    for name, layers in blocks(copy):
        for layer in layers:
            layer.set_weights([rng.permutation(w.ravel()).reshape(w.shape) for w in layer.get_weights()])
        for number, (before, after) in enumerate(zip(original, maps(), strict=True)):
            for method in before:
                one, other = before[method], after[method]
                stages.append(
                    Stage(
                        number,
                        name,
                        method,
                        rank_correlation(one, other),
                        rank_correlation(np.abs(one), np.abs(other)),
                    )
                )
    return stages
