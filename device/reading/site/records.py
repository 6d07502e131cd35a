"""The records of a commissioning: what is kept of each picture, and what is found from all of them.

Of a picture there are means of the network's layers and of its colours, and no pixels: none of it makes a picture again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.base.records import Record
from device.reading.bundle import Bundle
from device.reading.gate import MADE, SCALE, SHOWS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PictureMeans:
    """One picture as the bundle reads it before commissioning.

    `reason`: why the bundle's own gate refuses it, None where it doesn't; `judgeable`: light, focus, tissue and size let it
    be judged. `early`, `middle` [windows, channels]: means of the network's layers over each window with tissue of a
    section, or over the one window of a field; `cells` [n, channels]: the early layer's coarse cells. `logits` [classes].
    `density` [3], `density_spread` [3, 3]: mean and covariance of the tissue's optical density, red, green, blue; NaN where
    there is no tissue.
    """

    reason: str | None
    judgeable: bool
    early: Floats
    middle: Floats
    cells: NDArray[np.float32]
    logits: Floats
    density: Floats
    density_spread: Floats


class SitePromise(Record, frozen=True):
    """At most `alpha` of this clinic's pictures are refused, with `confidence`, from `n` patients, of whose pictures
    `refused` of `pictures` were, each by a gate that was fitted without the patient."""

    alpha: float
    confidence: float
    n: int
    pictures: int
    refused: int
    threshold: float


class ForeignRefusals(Record, frozen=True):
    """Of `n` foreign pictures of a kind so many were refused before commissioning, and are after it."""

    kind: str
    n: int
    before: int
    after: int


class SiteFit(Record, frozen=True):
    """The gate at a clinic. The three spaces stand for the bundle's own; `octaves` is taken from what the scale rule reads;
    `calibration_scores`: sorted scores of the clinic's pictures, each by a gate that was fitted without its patient.
    `refused_before`: how many of the promise's pictures the bundle's own gate refuses; `unjudgeable`: how many more were
    left out, as they can't be judged anywhere."""

    made_centre: Floats
    made_whitening: Floats
    shows_centre: Floats
    shows_whitening: Floats
    cells_centre: Floats
    cells_whitening: Floats
    cell_limit: float
    octaves: float
    scale_scores: tuple[float, ...]
    made_scores: tuple[float, ...]
    shows_scores: tuple[float, ...]
    promise: SitePromise
    refused_before: int
    unjudgeable: int
    foreign: tuple[ForeignRefusals, ...]

    @property
    def calibration_scores(self) -> dict[str, tuple[float, ...]]:
        """Of each question that has p-values."""
        return {SCALE: self.scale_scores, MADE: self.made_scores, SHOWS: self.shows_scores}

    def faults(self, bundle: Bundle) -> Iterator[str]:
        """What doesn't fit the bundle, such as an array of another shape."""
        outputs = bundle.manifest.network.outputs
        early, middle = outputs["early"].channels, outputs["middle"].channels
        for name, array, width in (
            ("made", (self.made_centre, self.made_whitening), early),
            ("shows", (self.shows_centre, self.shows_whitening), middle),
            ("cells", (self.cells_centre, self.cells_whitening), early),
        ):
            if array[0].shape != (width,) or array[1].shape != (width, width):
                yield f"its {name} is for another number of channels than {width}"
