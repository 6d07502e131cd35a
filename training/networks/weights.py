"""Where a network's first weights come from: ImageNet, a file, or chance.

A file may be one that a run wrote (`weights.weights.h5`), also of a run with other classes, or any `.h5` or `.keras` of
Keras' own application without its top, such as those that Keras downloads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import h5py
import keras

from training.errors import WeightsError
from training.networks.applications import APPLICATIONS, PIXELS
from training.networks.head import CLASS_MAP
from training.networks.lite0 import load_imagenet

IMAGENET, NONE = "imagenet", "none"


def load_weights(model: keras.Model, name: str, source: str, build: Callable[[str, int], keras.Model]) -> None:
    """Fill a network `name` from `source`: `imagenet`, `none`, or the path of a file. The head is filled too if the
    source has one for as many classes. Raises `WeightsError` when there are no such weights or they don't fit.
    """
    if source == NONE:
        return
    if source == IMAGENET:
        if name.startswith("lite0"):
            load_imagenet(model)
        elif name in APPLICATIONS:
            _copy(_download(name), model, source)
        else:
            raise WeightsError(f'there are no ImageNet weights of {name}: set network.weights to "none" or a file')
        return
    path = Path(source)
    if not path.is_file():
        raise WeightsError(f'there is no weights file {source}: name a file, "imagenet" or "none"')
    _copy(_read(path, name, build), model, path.name)


def _download(name: str) -> keras.Model:
    try:
        return APPLICATIONS[name].make(include_top=False, weights=IMAGENET)
    except Exception as error:  # Keras raises the bare class when the server can't be reached
        if not isinstance(error, URLError | OSError) and "URL fetch failure" not in str(error):
            raise
        raise WeightsError(
            f"the ImageNet weights of {name} can't be downloaded ({error}): set network.weights to a file that was "
            'downloaded elsewhere (Keras keeps them in ~/.keras/models), or to "none"'
        ) from error


def _classes(path: Path) -> int | None:
    """How many classes the head in a run's weights file has; None for other files."""
    with h5py.File(path) as file:
        for group in file.get("layers", {}).values():
            if "vars" in group and group["vars"].attrs.get("name") == CLASS_MAP:
                return int(group["vars/1"].shape[0])
    return None


def _read(path: Path, name: str, build: Callable[[str, int], keras.Model]) -> keras.Model:
    try:
        if path.suffix == ".keras":
            return keras.saving.load_model(path, compile=False)
        classes = _classes(path)
        if classes is not None:
            donor = build(name, classes)
        elif name in APPLICATIONS:
            donor = APPLICATIONS[name].make(include_top=False, weights=None)
        else:
            raise WeightsError(f"{path.name} was not written by a run, which {name} needs")
        with warnings.catch_warnings():
            # Keras warns of a network's internal lists, which no file holds; `_copy` compares what counts.
            warnings.filterwarnings("ignore", "Skipping nested container")
            donor.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{path.name} doesn't have the weights of {name}: {error}") from error
    return donor


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Layers with weights, in the network's order, but for the head and what only turns pixels into others."""
    return [
        layer
        for layer in model.layers
        if layer.weights and layer.name not in (PIXELS, CLASS_MAP) and not isinstance(layer, keras.layers.Normalization)
    ]


def _copy(donor: keras.Model, model: keras.Model, source: str) -> None:
    # By order and shape, as Keras does: Inception's layers have other names each time that it is built.
    given, wanted = _layers(donor), _layers(model)
    shapes = [[[tuple(w.shape) for w in layer.weights] for layer in layers] for layers in (given, wanted)]
    if shapes[0] != shapes[1]:
        raise WeightsError(f"{source} has weights of another network than {model.name}")
    for layer, target in zip(given, wanted, strict=True):
        target.set_weights(layer.get_weights())
    for layer in donor.layers:
        head = model.get_layer(CLASS_MAP)
        if layer.name == CLASS_MAP and [w.shape for w in layer.weights] == [w.shape for w in head.weights]:
            head.set_weights(layer.get_weights())
