"""Classes of unequal size, and the loss: weights, balanced sampling or focal loss, label smoothing, logit normalisation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.recipe import Fit

FOCUS = 2.0  # the exponent of Lin et al. (2017)


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Weights [classes] under which each class counts alike and the mean over pictures is 1."""
    counts = np.bincount(labels, minlength=classes)
    return len(labels) / (classes * np.maximum(counts, 1))


def epoch_order(labels: NDArray[np.int64], balance: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """The order in which an epoch meets its pictures: each once or, for `sampling`, each class equally often."""
    if balance != "sampling":
        return rng.permutation(len(labels))
    classes = np.unique(labels)
    share = -(-len(labels) // len(classes))
    drawn = [np.resize(rng.permutation(np.nonzero(labels == k)[0]), share) for k in classes]
    return rng.permutation(np.concatenate(drawn))


def grid_logits(class_map: Any, cells: Any) -> tf.Tensor:
    """A class map [n, h, w, K] → the logits [n, cells, cells, K] of its tiles: the mean over each tile's places."""
    n, height, width, classes = tf.unstack(tf.shape(class_map))
    tiles = tf.reshape(class_map, (n, cells, height // cells, cells, width // cells, classes))
    return tf.reduce_mean(tiles, (2, 4))


def grid_loss(fit: Fit) -> Any:
    """Loss of a class map against the targets of `training.batches`: cross-entropy of each labelled tile, by its weight."""

    def loss(targets: tf.Tensor, class_map: tf.Tensor) -> tf.Tensor:
        labels, weights = targets[..., :-1], targets[..., -1]
        logits = grid_logits(class_map, tf.shape(targets)[1])
        if fit.logit_norm:
            logits /= fit.logit_norm * (tf.norm(logits, axis=-1, keepdims=True) + 1e-7)  # Wei et al. (2022)
        smooth = labels * (1 - fit.label_smoothing) + fit.label_smoothing / tf.cast(tf.shape(labels)[-1], tf.float32)
        entropy = tf.nn.softmax_cross_entropy_with_logits(smooth, logits)
        if fit.balance == "focal":
            right = tf.reduce_sum(labels * tf.nn.softmax(logits), -1)
            entropy *= (1 - right) ** FOCUS
        return tf.reduce_sum(entropy * weights) / tf.maximum(tf.reduce_sum(weights), 1e-6)

    return loss


class GridAccuracy(keras.metrics.Mean):
    """Share of labelled tiles whose largest logit is the label's."""

    def update_state(self, targets: Any, class_map: Any, sample_weight: Any = None) -> None:  # noqa: ARG002 — Keras' own
        logits = grid_logits(class_map, tf.shape(targets)[1])
        right = tf.argmax(logits, -1) == tf.argmax(targets[..., :-1], -1)
        super().update_state(tf.cast(right, tf.float32), tf.cast(targets[..., -1] > 0, tf.float32))
