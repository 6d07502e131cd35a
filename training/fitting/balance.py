"""Classes of unequal size, and the loss: weights, balanced sampling or focal loss, label smoothing, logit normalisation.

A partial label names several classes of which a picture is one. Its loss is −log of the sum of their probabilities, which
for one class is cross-entropy. In balance, each set of classes is a kind of its own.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.recipe import Fit

FOCUS = 2.0  # the exponent of Lin et al. (2017)
IMPOSSIBLE = -1e9  # log of the probability of a class that a label rules out


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
    """Loss of logits [n, K] against the targets [n, K + 1] of `training.fitting.batches`: by weight, −log of the
    probability that the possible classes have together. Label smoothing gives a share of the target to all alike."""

    def loss(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        labels, weights = targets[..., :-1], targets[..., -1]
        if fit.logit_norm:
            logits /= fit.logit_norm * (tf.norm(logits, axis=-1, keepdims=True) + 1e-7)  # Wei et al. (2022)
        entropy = _partial_entropy(labels, logits, fit.label_smoothing)
        if fit.balance == "focal":
            right = tf.reduce_sum(labels * tf.nn.softmax(logits), -1)
            entropy *= (1 - right) ** FOCUS
        return tf.reduce_mean(entropy * weights)

    return loss


def _partial_entropy(possible: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """[n], in nats, of logits [n, K]; `possible` [n, K] is 1 for each class that a label leaves open, 0 elsewhere."""
    logs = tf.nn.log_softmax(logits)
    together = tf.reduce_logsumexp(tf.where(possible > 0, logs, IMPOSSIBLE), -1)
    return -(1 - smoothing) * together - smoothing * tf.reduce_mean(logs, -1)


class LogitAccuracy(keras.metrics.Mean):  # type: ignore[misc]  # Keras has no types
    """Share of pictures whose largest logit is that of a class that the label leaves open."""

    def update_state(self, targets: Any, logits: Any, sample_weight: Any = None) -> None:  # noqa: ARG002 — Keras' own
        super().update_state(tf.gather(targets[..., :-1], tf.argmax(logits, -1), axis=-1, batch_dims=1))
