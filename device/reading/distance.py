"""The gate's distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def distance(
    rows: NDArray[np.float64], centre: NDArray[np.float64], whitening: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mahalanobis distances [...] of rows [..., d], in the unit that the whitening [d, d] gives."""
    whitened = (rows - centre) @ whitening
    return np.asarray(np.sqrt((whitened * whitened).mean(-1)))
