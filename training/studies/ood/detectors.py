"""Detectors of foreign pictures: what is fitted on proper rows gives each further row a score that grows with strangeness.

A row is a picture (a depth's means over it, or means and spreads) or a cell of a picture; `labels` [n] are classes. Each
`fit_…(rows [n, d], labels) → Scorer`, and a `Scorer` takes rows [m, d] and gives float64 [m].

Detectors on logits fit nothing. Those on the last layer need the head as well: they take it beside the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
Scorer = Callable[[Rows], Scores]

NEIGHBOURS, BANK = 5, 1000
"""Which neighbour counts, and among how many proper rows at most, evenly spread."""
PORTION = 2048
EXPLAINED = 0.9
"""Share of the variance that the principal components keep; what they leave is the residual."""
GEN_POWER, GEN_CLASSES = 0.1, 100  # Liu et al. 2023
NCI_LENGTH = 1e-3  # weight of the row's length (Liu & Qin 2025)


@dataclass(frozen=True)
class LastLayer:
    """The head in real units: logits = rows @ weights [channels, classes] + bias [classes]."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        return np.asarray(rows @ self.weights + self.bias, np.float32)


# --- on logits ------------------------------------------------------------------------------------------------------


def maximum_softmax(logits: Rows) -> Scores:
    """Hendrycks & Gimpel 2017."""
    return np.asarray(-softmax(np.float64(logits), 1).max(1))


def maximum_logit(logits: Rows) -> Scores:
    """Hendrycks et al. 2022."""
    return np.asarray(-np.float64(logits).max(1))


def energy(logits: Rows) -> Scores:
    """Liu et al. 2020, temperature 1."""
    return np.asarray(-logsumexp(np.float64(logits), 1))


def generalised_entropy(logits: Rows) -> Scores:
    """GEN, Liu et al. 2023."""
    p = np.sort(np.exp(log_softmax(np.float64(logits), 1)), 1)[:, -GEN_CLASSES:]
    return np.asarray((p**GEN_POWER * (1 - p) ** GEN_POWER).sum(1))


# --- on rows of any depth -------------------------------------------------------------------------------------------


def _standard(rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return rows.mean(0), rows.std(0) + np.float32(1e-6)


def _principal(centred: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances [r], greatest first, and directions [d, r] of centred rows; by the smaller of the two Gram matrices."""
    few = len(centred) < centred.shape[1]
    gram = (centred @ centred.T if few else centred.T @ centred).astype(np.float64) / len(centred)
    values, vectors = np.linalg.eigh(gram)
    strong = np.flatnonzero(values > values[-1] * 1e-7)[::-1]
    values, vectors = values[strong], vectors[:, strong]
    return values, centred.T @ (vectors / np.sqrt(values * len(centred))) if few else vectors


@dataclass(frozen=True)
class _Gaussian:
    """Covariance of centred rows, shrunk towards a multiple of the identity after Ledoit & Wolf: its own directions
    [d, r ≤ d] with their variances [r], and the variance in all others."""

    directions: NDArray[np.float32]
    variances: NDArray[np.float32]
    elsewhere: float

    @classmethod
    def fit(cls, centred: Rows) -> _Gaussian:
        shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
        values, directions = _principal(centred)
        floor = max(shrinkage * float(np.square(centred).mean(dtype=np.float64)), 1e-9)
        variances = (1 - shrinkage) * values + floor
        return cls(directions.astype(np.float32), variances.astype(np.float32), floor)

    def squares(self, rows: Rows, centres: Rows) -> NDArray[np.float64]:
        """Squared distances [m, k] of rows [m, d] to centres [k, d]."""
        return np.concatenate([self._squares(part, centres) for part in _portions(rows)])

    def _squares(self, rows: Rows, centres: Rows) -> NDArray[np.float64]:
        inside, middles = rows @ self.directions, centres @ self.directions
        whole = self.directions.shape[1] == rows.shape[1]
        distances = []
        for centre, middle in zip(centres, middles, strict=True):
            away = np.square(inside - middle)
            square = (away @ (1 / self.variances)).astype(np.float64)
            if not whole:
                rest = np.square(rows - centre).sum(1) - away.sum(1)
                square += np.maximum(rest, 0) / self.elsewhere
            distances.append(square)
        return np.stack(distances, 1)


def _portions(rows: Rows) -> list[Rows]:
    """Few enough rows at once that what is computed of them stays in the processor's cache."""
    return [rows[start : start + PORTION] for start in range(0, max(1, len(rows)), PORTION)]


def fit_mahalanobis(rows: Rows, labels: Labels) -> Scorer:  # noqa: ARG001 — one distribution for all classes
    """Distance to one Gaussian over all proper rows, per degree of freedom."""
    centre, scale = _standard(rows)
    gaussian, origin = _Gaussian.fit((rows - centre) / scale), np.zeros((1, rows.shape[1]), np.float32)
    return lambda rows: np.sqrt(gaussian.squares((rows - centre) / scale, origin)[:, 0] / rows.shape[1])


def _class_distances(rows: Rows, labels: Labels) -> Callable[[Rows], NDArray[np.float64]]:
    """Squared distances [m, classes] to each class's Gaussian, whose covariance is shared (Lee et al. 2018)."""
    centre, scale = _standard(rows)
    standard, present = (rows - centre) / scale, np.unique(labels)
    means = np.stack([standard[labels == label].mean(0) for label in present])
    gaussian = _Gaussian.fit(standard - means[np.searchsorted(present, labels)])
    return lambda rows: gaussian.squares((rows - centre) / scale, means)


def fit_class_mahalanobis(rows: Rows, labels: Labels) -> Scorer:
    """Distance to the nearest class (Lee et al. 2018)."""
    distances = _class_distances(rows, labels)
    return lambda rows: np.asarray(np.sqrt(distances(rows).min(1) / rows.shape[1]))


def fit_relative_mahalanobis(rows: Rows, labels: Labels) -> Scorer:
    """Distance to the nearest class less that to all classes together (Ren et al. 2021)."""
    distances, together = _class_distances(rows, labels), fit_mahalanobis(rows, labels)
    return lambda rows: np.asarray(distances(rows).min(1) / rows.shape[1] - together(rows) ** 2)


def fit_neighbours(rows: Rows, labels: Labels) -> Scorer:  # noqa: ARG001
    """Distance to the fifth nearest proper row, standardised by channel (kNN, Sun et al. 2022)."""
    centre, scale = _standard(rows)
    bank = ((rows - centre) / scale)[:: -(-len(rows) // BANK)]
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(bank)), algorithm="brute").fit(bank)
    return lambda rows: np.asarray(index.kneighbors((rows - centre) / scale)[0][:, -1], np.float64)


def _residual(centred: Rows) -> Scorer:
    """Length of what the principal components of centred rows leave unexplained."""
    values, directions = _principal(centred)
    components = int(np.searchsorted(np.cumsum(values) / values.sum(), EXPLAINED)) + 1
    space = directions[:, :components].astype(np.float32)

    def score(rows: Rows) -> Scores:
        rest = [np.square(part).sum(1) - np.square(part @ space).sum(1) for part in _portions(rows)]
        return np.asarray(np.sqrt(np.maximum(np.concatenate(rest), 0)), np.float64)

    return score


def fit_residual(rows: Rows, labels: Labels) -> Scorer:  # noqa: ARG001
    """Length of what the principal components of proper rows don't explain."""
    centre, scale = _standard(rows)
    residual = _residual((rows - centre) / scale)
    return lambda rows: residual((rows - centre) / scale)


def fit_classifier(proper: Rows, foreign: Rows) -> Scorer:
    """A logistic regression of foreign rows against proper ones, both sides weighted alike."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500))
    model.fit(np.concatenate([proper, foreign]), np.repeat([0, 1], [len(proper), len(foreign)]))
    return lambda rows: np.asarray(model.decision_function(rows), np.float64)


# --- on the last layer, with its head -------------------------------------------------------------------------------


def fit_vim(rows: Rows, head: LastLayer) -> Scorer:
    """Residual as a virtual logit beside the energy (ViM, Wang et al. 2022)."""
    origin = (-np.linalg.pinv(head.weights.T) @ head.bias).astype(np.float32)
    residual = _residual(rows - origin)
    weight = head.logits(rows).max(1).mean() / residual(rows - origin).mean()
    return lambda rows: np.asarray(weight * residual(rows - origin) + energy(head.logits(rows)))


def fit_nci(rows: Rows, head: LastLayer) -> Scorer:
    """How little a row, seen from the centre, points at its class's weights, and how short it is (Liu & Qin 2025)."""
    centre = rows.mean(0)

    def score(rows: Rows) -> Scores:
        away = rows - centre
        towards = (away @ head.weights)[np.arange(len(rows)), head.logits(rows).argmax(1)]
        angle = towards / (np.linalg.norm(away, axis=1) + 1e-9)
        return np.asarray(-(angle + NCI_LENGTH * np.abs(rows).sum(1)), np.float64)

    return score


def fit_fdbd(rows: Rows, head: LastLayer) -> Scorer:
    """How near the borders between classes a row lies, for its distance from the centre (fDBD, Liu & Qin 2024)."""
    centre = rows.mean(0)
    between = np.linalg.norm(head.weights[:, :, None] - head.weights[:, None], axis=0)

    def score(rows: Rows) -> Scores:
        logits = head.logits(rows)
        best = logits.argmax(1)
        gaps = logits.max(1, keepdims=True) - logits
        other = np.arange(logits.shape[1])[None] != best[:, None]
        border = np.where(other, gaps / np.where(other, between[best], 1), 0).sum(1) / other.sum(1)
        return np.asarray(-border / (np.linalg.norm(rows - centre, axis=1) + 1e-9), np.float64)

    return score


LOGITS = {
    "maximum softmax": maximum_softmax,
    "maximum logit": maximum_logit,
    "energy": energy,
    "GEN": generalised_entropy,
}
ROWS: dict[str, Callable[[Rows, Labels], Scorer]] = {
    "Mahalanobis": fit_mahalanobis,
    "Mahalanobis by class": fit_class_mahalanobis,
    "Mahalanobis, relative": fit_relative_mahalanobis,
    "kNN": fit_neighbours,
    "PCA residual": fit_residual,
}
LAST_LAYER: dict[str, Callable[[Rows, LastLayer], Scorer]] = {"ViM": fit_vim, "NCI": fit_nci, "fDBD": fit_fdbd}
CLASSIFIER, AUTOENCODER, GATE = "classifier", "autoencoder, SSIM", "the gate that ships"
