"""How deep into the frozen network a new task should look: a linear probe of every block, over a recipe's folds.

Where patients are few, shallow texture can carry over to unseen patients better than what deeper blocks know. To choose a
block by the folds that then measure it would flatter it, so the choice is also made as it could have been without the
tested fold: by the mean balanced accuracy over the other folds, each read by a probe that was fitted without both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from training import networks
from training.data import Sample, find_samples, labels_of, load_pixels, make_folds
from training.data.sample import UNKNOWN
from training.fitting.balance import sample_weights
from training.fitting.fit import fit_regression
from training.recipe import Recipe

UNITS = ("_bn0_relu6", "head_bn_relu6")  # the widened channels of each block, and the last layer


@dataclass(frozen=True)
class Probe:
    """One block's probe on one fold."""

    balanced_accuracy: float
    auroc: float


def pooled_units(recipe: Recipe, data: Path, samples: Sequence[Sample]) -> dict[str, NDArray[np.float32]]:
    """For each block of ImageNet's Lite0, its units' means over the places of each picture that count [n, channels]."""
    model = networks.build("lite0", 2)
    networks.load_weights(model, "lite0", "imagenet")
    layers, counts = [layer for layer in model.layers if layer.name.endswith(UNITS)], recipe.network.counts
    inner = keras.Model(model.input, [layer.output for layer in layers])
    means = tf.function(
        lambda x: [networks.place_mean(units, x, counts) for units in inner(x, training=False)], reduce_retracing=True
    )
    rows = [
        [unit.numpy()[0] for unit in means(networks.scale_pixels(picture[None]))]
        for picture in track(load_pixels(data, samples, recipe.data), "every block", transient=True)
    ]
    return {
        layer.name.removesuffix("_relu6"): np.stack(means)
        for layer, means in zip(layers, zip(*rows, strict=True), strict=True)
    }


def _probe(
    rows: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64], seen: NDArray[np.bool_],
    tested: NDArray[np.bool_],
) -> Probe:  # fmt: skip
    regression = fit_regression(rows[seen], labels[seen], weights[seen])
    probabilities, truth = regression.predict_proba(rows[tested]), labels[tested]
    several = len(np.unique(truth)) == probabilities.shape[1]
    ranked = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return Probe(
        float(balanced_accuracy_score(truth, probabilities.argmax(1))),
        float(roc_auc_score(truth, ranked, multi_class="ovr")) if several else float("nan"),
    )


def depth_probe(recipe: Recipe, data: Path) -> str:
    """A Markdown table: a row for each block, means over folds; then the outcome of choosing without the tested fold."""
    samples = [sample for sample in find_samples(recipe, data) if sample.label != UNKNOWN]
    index = {id(sample): number for number, sample in enumerate(samples)}
    tests = []
    for fold in make_folds(samples, recipe.split):
        inside = np.zeros(len(samples), bool)
        inside[[index[id(sample)] for sample in fold.test]] = True
        tests.append(inside)
    labels, units = labels_of(samples), pooled_units(recipe, data, samples)
    weights = sample_weights(labels, np.array([sample.group for sample in samples]), recipe.fit.balance)
    by_block: dict[str, list[Probe]] = {}
    inner: dict[str, NDArray[np.float64]] = {}
    for name, rows in track(units.items(), "probes", transient=True):
        by_block[name] = [_probe(rows, labels, weights, ~test, test) for test in tests]
        inner[name] = np.full((len(tests), len(tests)), np.nan)  # [left out, tested besides]
        for a, out in enumerate(tests):
            for b, tested in enumerate(tests):
                if a != b:
                    inner[name][a, b] = _probe(rows, labels, weights, ~(out | tested), tested).balanced_accuracy
    lines = [
        f"{recipe.id}: linear probes of ImageNet's Lite0, {len(tests)} folds, n = {len(samples)}",
        "",
        "| block | units | balanced accuracy, mean of folds | AUROC, mean of folds |",
        "|---|---|---|---|",
    ]
    for name, probes in by_block.items():
        accuracy = np.mean([probe.balanced_accuracy for probe in probes])
        lines.append(
            f"| {name} | {units[name].shape[1]} | {accuracy:.3f} | {np.nanmean([p.auroc for p in probes]):.3f} |"
        )
    chosen = [max(inner, key=lambda name: float(np.nanmean(inner[name][a]))) for a in range(len(tests))]
    nested = [by_block[name][a] for a, name in enumerate(chosen)]
    lines.append(
        f"| chosen without the tested fold: {', '.join(chosen)} | | "
        f"{np.mean([p.balanced_accuracy for p in nested]):.3f} | {np.nanmean([p.auroc for p in nested]):.3f} |"
    )
    return "\n".join(lines)
