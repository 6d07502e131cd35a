"""How well a map points to a place that is known: a lesion, an annotated tile, the quadrant of a mosaic.

Maps of any grid are enlarged bilinearly to one of 8 px, so that a finer grid is neither rewarded nor punished by how it is
counted. A cell belongs to the place when at least half of it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from training.studies.explain.floats import Floats
from training.studies.explain.scores import enlarge

GRID_PX = 8
MOST = 0.5


@dataclass(frozen=True)
class Placed:
    """`auroc` of cells; `pointing`: 1 where the greatest value lies in the place (ties: their share); `energy`: share of
    the positive evidence that lies in it, NaN without any; `area`: the place's share of the picture, which is what pointing
    and energy come to by chance."""

    auroc: float
    pointing: float
    energy: float
    area: float


def shares(mask: NDArray[np.bool_], size: tuple[int, int]) -> Floats:
    """How much of each cell of (rows, columns) a mask [h, w] covers, 0…1."""
    image = PIL.Image.fromarray(mask.astype(np.float32))
    return np.asarray(image.resize((size[1], size[0]), PIL.Image.Resampling.BOX), np.float64)


def place(values: Floats, mask: NDArray[np.bool_], known: NDArray[np.bool_] | None = None) -> Placed | None:
    """Judge a map against a mask [h, w] of its picture; where not `known`, nothing is asked. None without two sides."""
    size = mask.shape[0] // GRID_PX, mask.shape[1] // GRID_PX
    inside = shares(mask, size) >= MOST
    asked = np.ones(size, bool) if known is None else shares(known, size) >= MOST
    truth, score = inside[asked], enlarge(values, size).astype(np.float64)[asked]
    if truth.all() or not truth.any():
        return None
    positive = np.maximum(score, 0)
    foremost = score == score.max()
    return Placed(
        float(roc_auc_score(truth, score)),
        float(truth[foremost].mean()),
        float(positive[truth].sum() / positive.sum()) if positive.sum() > 0 else float("nan"),
        float(truth.mean()),
    )
