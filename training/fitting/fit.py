"""Fitting a recipe: pretrained weights, a linear probe as the first head, then fine-tuning of what isn't frozen.

The head starts as a logistic regression on the frozen features (Kumar et al. 2022): a random head's gradients would first
distort the very features that a small data set relies on. Batch norm of the trained blocks runs in training mode, which
keeps steps stable. Steps that are small enough for the blocks hardly move that head; with `fit.refit_head` it is fitted
again, on whole pictures as the box reads them (with `fit.copies` on their squares), once the features stand, which without
any steps is at once. A run's folder
gets `weights.weights.h5`, `split.json`, `history.csv`, `run.json` and, for TensorBoard, `logs`; while it runs, `resume`
holds what an interrupted fit goes on from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from msgspec import to_builtins
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training import networks
from training.data import CALIBRATION, TRAINING, Sample, Split, adapter_module, kinds_of, load_pixels, possible_of
from training.errors import RunError
from training.fitting.balance import LogitAccuracy, balanced_loss, epoch_order
from training.fitting.batches import steps_per_epoch, training_batches, weighted_targets
from training.fitting.frozen import frozen_batches, frozen_squares, split_network, unit_means
from training.fitting.progress import FitProgress, TimeLimit
from training.networks.head import CLASS_MAP
from training.recipe import Recipe
from training.run_files import FACTS, FROZEN, HISTORY, LOGS, RESUME, SPLIT, WEIGHTS, epochs_done
from training.stamp import LIBRARIES, commit, source, stamp

PROBE_PASSES = 3
PROBE_ROWS = 8000
PROBE_REGULARISATION = 1e-3
PARTIAL_ROUNDS = 5
LEAST_SHARE = 1e-9
WARM_UP_SHARE = 0.05
VALIDATE_EVERY = 5
# Settings that came later, with the value that fits from before have: they keep their hash.
LATER: dict[str, dict[str, Any]] = {
    "data": {"brought_to": "area"},
    "fit": {"place": "anywhere", "copies": 0},
}


@dataclass(frozen=True)
class Run:
    """A fitted recipe in its folder."""

    folder: Path
    recipe: Recipe
    data: Path
    model: keras.Model
    split: Split
    facts: dict[str, Any]


def build(recipe: Recipe) -> keras.Model:
    """The recipe's network, without weights."""
    choice = recipe.network
    return networks.build(
        choice.name, len(recipe.labels), dropout=recipe.fit.dropout, frozen_blocks=choice.frozen_blocks
    )


def fit_regression(rows: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any]) -> Pipeline:
    """The linear probe: a regularised logistic regression on standardised features [n, d], weighted by picture."""
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=PROBE_REGULARISATION, max_iter=2000))
    return regression.fit(rows, labels, logisticregression__sample_weight=weights)


def fit_partial(rows: NDArray[Any], possible: NDArray[Any], weights: NDArray[Any]) -> Pipeline:
    """The linear probe where labels may leave several classes open: `possible` is 1 or 0, [n, classes].

    By expectation and maximisation: a row counts for each class that its label leaves open with the probability that the
    probe of the round before gives it. The first round knows the rows with one class or, where these lack a class, gives a
    row's classes equal parts.
    """
    known = possible.sum(1) == 1
    if known.all():
        return fit_regression(rows, possible.argmax(1), weights)
    if possible[known].any(0).all():
        probe = fit_regression(rows[known], possible[known].argmax(1), weights[known])
        shares = _shares(probe, rows, possible)
    else:
        shares = possible / possible.sum(1, keepdims=True)
    of_row, of_class = np.nonzero(possible)
    for _ in range(PARTIAL_ROUNDS):
        probe = fit_regression(rows[of_row], of_class, weights[of_row] * shares[of_row, of_class])
        shares = _shares(probe, rows, possible)
    return probe


def _shares(probe: Pipeline, rows: NDArray[Any], possible: NDArray[Any]) -> NDArray[Any]:
    """How likely each class is among those that a label leaves open, [n, classes]."""
    shares = np.maximum(probe.predict_proba(rows), LEAST_SHARE) * possible
    return np.asarray(shares / shares.sum(1, keepdims=True))


def _probe(model: keras.Model, batches: tf.data.Dataset, rows: int, counts: str) -> None:
    """Set the class-map head to a logistic regression on the frozen features of augmented pictures."""
    pooled = _forward(model, "features", counts)
    features: list[NDArray[np.float32]] = []
    labelled: list[NDArray[np.float32]] = []
    while sum(map(len, labelled)) < rows:
        batch, targets = next(batches)
        features.append(pooled(batch).numpy())
        labelled.append(targets.numpy())
    targets = np.concatenate(labelled)
    _set_head(model, fit_partial(np.concatenate(features), targets[:, :-1], targets[:, -1]))


def _fit_head(model: keras.Model, recipe: Recipe, rows: NDArray[np.float32], samples: Sequence[Sample]) -> None:
    """Set the class-map head to a logistic regression on pooled units [n, units], balanced as epochs are."""
    targets = weighted_targets(recipe, samples)
    met = epoch_order(kinds_of(samples), recipe.fit.balance, np.random.default_rng(recipe.fit.seed))
    _set_head(model, fit_partial(rows[met], targets[met, :-1], targets[met, -1]))


def _pooled_units(model: keras.Model, recipe: Recipe, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """The units' means [n, units] of whole pictures."""
    pooled = _forward(model, "features", recipe.network.counts)
    return np.concatenate([pooled(networks.scale_pixels(picture[None])).numpy() for picture in pixels])


def _forward(model: keras.Model, output: str, counts: str) -> Any:
    """A function of a batch of scaled pictures: an output's means over the places that count, [n, channels]."""
    return tf.function(
        lambda x: networks.place_mean(model(x, training=False)[output], x, counts), reduce_retracing=True
    )


def _set_head(model: keras.Model, regression: Pipeline) -> None:
    """Make the class-map head what a regression on pooled units says."""
    scaler, fitted = regression[0], regression[1]
    coefficients, intercept = fitted.coef_, fitted.intercept_
    if len(coefficients) == 1:  # two classes have one row: half of the difference for each
        coefficients, intercept = np.array([-1, 1])[:, None] * coefficients / 2, np.array([-1, 1]) * intercept / 2
    weights = (coefficients / scaler.scale_).T
    bias = intercept - scaler.mean_ @ weights
    model.get_layer(CLASS_MAP).set_weights([weights[None, None], bias])


def _validation(recipe: Recipe, pixels: Sequence[NDArray[np.uint8]], samples: Sequence[Sample]) -> tf.data.Dataset:
    """Whole pictures as they are, one a batch."""
    classes = len(recipe.labels)
    targets = np.concatenate([possible_of(samples, classes), np.ones((len(samples), 1), np.float32)], 1)

    def whole() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for picture, target in zip(pixels, targets, strict=True):
            yield networks.scale_pixels(picture[None]), target[None]

    spec = (tf.TensorSpec((1, None, None, 3)), tf.TensorSpec((1, classes + 1)))
    data = tf.data.Dataset.from_generator(whole, output_signature=spec)
    return data.apply(tf.data.experimental.assert_cardinality(len(samples)))


def _schedule(recipe: Recipe, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = max(1, int(steps * WARM_UP_SHARE))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=recipe.fit.learning_rate, warmup_steps=warm_up
    )


def settings_sha256(recipe: Recipe, epochs: int | None = None) -> str:
    """Names what decides a fit's outcome: data, network, fitting and augmentation of a recipe."""
    settings = to_builtins(recipe)
    deciding = {part: settings[part] for part in ("labels", "data", "network", "fit", "augmentation")}
    for part, defaults in LATER.items():
        for name, default in defaults.items():
            if deciding[part][name] == default:
                del deciding[part][name]
    deciding["epochs"] = recipe.fit.epochs if epochs is None else epochs
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def _begin(recipe: Recipe, folder: Path, split: Split, epochs: int) -> None:
    """Write the split; leave what an interrupted fit of the same recipe and split left, remove any other's."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / RESUME / "of"
    name = f"{settings_sha256(recipe, epochs)} {split.sha256}"
    if mark.is_file() and mark.read_text() == name:
        print(f"going on with the fit in {folder}")
    else:
        shutil.rmtree(folder / RESUME, ignore_errors=True)
        shutil.rmtree(folder / LOGS, ignore_errors=True)
        (folder / HISTORY).unlink(missing_ok=True)
        mark.parent.mkdir()
        mark.write_text(name)
    (folder / FACTS).unlink(missing_ok=True)
    split.save(folder / SPLIT)


def fit(
    recipe: Recipe,
    data: Path,
    folder: Path,
    split: Split,
    *,
    epochs: int | None = None,
    minutes: float | None = None,
    validate_every: int = VALIDATE_EVERY,
    verbose: int = 1,
) -> Run:
    """Fit a recipe on the training part of a split and write the run's folder. An interrupted fit goes on from its last
    epoch, and so does one whose `minutes` ran out: it ends with the pass in which they do, and its facts say how many it
    made.

    The calibration part is watched after every so many passes. `verbose` 1 shows a bar with the time left, 2 a line an
    epoch, 0 nothing. Raises `RunError` when early stopping has no calibration part to watch.
    """
    keras.utils.set_random_seed(recipe.fit.seed)
    trained, watched = split.parts[TRAINING], split.parts[CALIBRATION]
    if recipe.fit.patience and not watched:
        raise RunError("fit.patience needs a calibration part to watch: set it to 0 or leave a calibration part")
    count, counts = recipe.fit.epochs if epochs is None else epochs, recipe.network.counts
    _begin(recipe, folder, split, count)
    print(f"{recipe.id}: {split.counts()} pictures, split {split.sha256[:12]}")
    steps = steps_per_epoch(recipe, trained)
    model = build(recipe)
    networks.load_weights(model, recipe.network.name, recipe.network.weights)
    probe = recipe.network.weights != "none" and (count or not recipe.fit.refit_head)
    if recipe.fit.copies:
        everything = [sample for part in split.parts.values() for sample in part]  # the same in each fold
        frozen = frozen_squares(recipe, data, folder.parent / FROZEN, everything, model)
        rest = split_network(model, recipe.network.frozen_blocks)[1]
        batches, whole = frozen_batches(recipe, frozen, trained), rest.logits
        pooled = partial(unit_means, rest, frozen, trained)
        if probe:
            print("linear probe on frozen features")
            _fit_head(model, recipe, pooled(), trained)
    else:
        pixels = load_pixels(data, trained, recipe.data)
        batches = training_batches(recipe, pixels, trained)
        whole = keras.Model(model.input, networks.PlaceMean(counts)([model.output[CLASS_MAP], model.input]))
        pooled = partial(_pooled_units, model, recipe, pixels)
        if probe:
            print("linear probe on frozen features")
            _probe(model, iter(batches), min(PROBE_ROWS, PROBE_PASSES * len(trained)), counts)
    whole.compile(
        keras.optimizers.AdamW(
            _schedule(recipe, max(1, count * steps)), weight_decay=recipe.fit.weight_decay, global_clipnorm=1.0
        ),
        balanced_loss(recipe.fit),
        metrics=[LogitAccuracy(name="accuracy")],
    )
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.BackupAndRestore(str(folder / RESUME / "state"), delete_checkpoint=False),
        keras.callbacks.CSVLogger(str(folder / HISTORY), append=True),
        keras.callbacks.TensorBoard(str(folder / LOGS), write_graph=False),
    ]
    limit = TimeLimit(minutes) if minutes is not None else None
    if limit:
        callbacks.append(limit)
    progress = FitProgress(steps, count)
    if verbose == 1 and count:
        callbacks.append(progress)
    if recipe.fit.patience:
        callbacks.append(
            keras.callbacks.EarlyStopping("val_loss", patience=recipe.fit.patience, restore_best_weights=True)
        )
    validation = None
    if watched and not recipe.fit.copies:
        validation = _validation(recipe, load_pixels(data, watched, recipe.data), watched)
    started = time.monotonic()
    try:
        whole.fit(
            batches,
            epochs=count,
            steps_per_epoch=steps,
            validation_data=validation,
            validation_freq=1 if recipe.fit.patience else validate_every,
            callbacks=callbacks,
            shuffle=False,  # the batches are
            verbose=0 if verbose == 1 else verbose,
        )
    finally:
        progress.close()
    if recipe.fit.refit_head:
        print("fit the head again")
        _fit_head(model, recipe, pooled(), trained)
    passes = epochs_done(folder)
    facts = {
        "recipe": recipe.id,
        "settings_sha256": settings_sha256(recipe, epochs),
        "epochs": count,
        "passes": passes,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "commit": commit(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "split_sha256": split.sha256,
    }
    if not count:
        (folder / HISTORY).unlink()  # empty: a probe has no epochs
    model.save_weights(folder / WEIGHTS)
    again = f"remove its folder, then `loupe-train fit {recipe.id}` or, for a fold, `loupe-train crossval {recipe.id}`"
    settings = {name: facts[name] for name in ("recipe", "settings_sha256", "epochs")}
    made_by = ("training.fitting.fit", adapter_module(recipe))
    stamp(folder / WEIGHTS, source(again, made_by, {"split": split.sha256}, **settings))
    (folder / FACTS).write_text(json.dumps(facts, indent=2))
    if not (limit and limit.spent and passes < count):
        shutil.rmtree(folder / RESUME)
    return Run(folder, recipe, data, model, split, facts)


def load_run(recipe: Recipe, data: Path, folder: Path) -> Run:
    """A run that was fitted before, its network of any picture size. Raises `RunError` when a file is missing."""
    for name in (WEIGHTS, SPLIT, FACTS):
        if not (folder / name).is_file():
            raise RunError(f"{folder} has no {name}: run `loupe-train fit` with this recipe first")
    model = build(recipe)
    model.load_weights(folder / WEIGHTS)
    return Run(folder, recipe, data, model, Split.load(folder / SPLIT), json.loads((folder / FACTS).read_text()))


def float_logits(run: Run, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Logits [n, classes] of a run's float network, one picture at a time."""
    forward = _forward(run.model, CLASS_MAP, run.recipe.network.counts)
    return np.concatenate([forward(networks.scale_pixels(picture[None])).numpy() for picture in pictures]).astype(float)
