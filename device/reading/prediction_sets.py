"""Prediction sets: the classes that a picture's probabilities don't rule out, by a threshold for each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def prediction_sets(probabilities: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which classes can't be ruled out: bool [n, classes] from probabilities [n, classes] and a threshold a class."""
    top = probabilities.argmax(1)[:, None] == np.arange(probabilities.shape[1])
    return np.asarray((probabilities >= thresholds) | top)
