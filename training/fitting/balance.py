"""Classes of unequal size, and the loss: weights, balanced sampling or focal loss, label smoothing, logit normalisation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.recipe import Fit

FOCUS = 2.0  # the exponent of Lin et al. (2017)


def sample_weights(labels: NDArray[np.int64], groups: NDArray[np.str_], balance: str) -> NDArray[np.float64]:
    """Weights [n] in the loss, their mean 1.

    `weights`: each class counts alike. `groups`: within each group each of its classes counts alike; a group with one class
    alone counts as it is.
    """
    if balance not in ("weights", "groups"):
        return np.ones(len(labels))
    if balance == "weights":
        groups = np.zeros_like(groups)
    weights = np.zeros(len(labels))
    for group in np.unique(groups):
        inside = groups == group
        kinds, counts = np.unique(labels[inside], return_counts=True)
        each = dict(zip(kinds, inside.sum() / (len(kinds) * counts), strict=True))
        weights[inside] = [each[label] for label in labels[inside]]
    return weights


def epoch_order(labels: NDArray[np.int64], balance: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """The order in which an epoch meets its pictures: each once or, for `sampling`, each class equally often."""
    if balance != "sampling":
        return rng.permutation(len(labels))
    classes = np.unique(labels)
    share = -(-len(labels) // len(classes))
    drawn = [np.resize(rng.permutation(np.nonzero(labels == k)[0]), share) for k in classes]
    return rng.permutation(np.concatenate(drawn))


def balanced_loss(fit: Fit) -> Any:
    """Loss of logits [n, K] against the targets [n, K + 1] of `training.fitting.batches`: cross-entropy by weight."""

    def loss(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        labels, weights = targets[..., :-1], targets[..., -1]
        if fit.logit_norm:
            logits /= fit.logit_norm * (tf.norm(logits, axis=-1, keepdims=True) + 1e-7)  # Wei et al. (2022)
        smooth = labels * (1 - fit.label_smoothing) + fit.label_smoothing / tf.cast(tf.shape(labels)[-1], tf.float32)
        entropy = tf.nn.softmax_cross_entropy_with_logits(smooth, logits)
        if fit.balance == "focal":
            right = tf.reduce_sum(labels * tf.nn.softmax(logits), -1)
            entropy *= (1 - right) ** FOCUS
        return tf.reduce_mean(entropy * weights)

    return loss


class LogitAccuracy(keras.metrics.Mean):  # type: ignore[misc]  # Keras has no types
    """Share of pictures whose largest logit is the label's."""

    def update_state(self, targets: Any, logits: Any, sample_weight: Any = None) -> None:  # noqa: ARG002 — Keras' own
        right = tf.argmax(logits, -1) == tf.argmax(targets[..., :-1], -1)
        super().update_state(tf.cast(right, tf.float32))
