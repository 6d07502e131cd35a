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
from device.reading.site.spaces import Floats, Rows, SiteSpaces, Space
from device.reading.site.stain import SiteColour


@dataclass(frozen=True)
class PictureMeans:
    """One picture as the bundle reads it before commissioning, or in the clinic's colours.

    `reason`: why the bundle's own gate refuses the picture as it came, whatever colours the rest is in; None where it
    doesn't. `judgeable`: light, focus, tissue and size let it be judged. `windows`: a row for each window with tissue of a
    section, or for the one window of a field. `cells` [n, channels]: the early layer's coarse cells. `logits` [classes].
    """

    reason: str | None
    judgeable: bool
    windows: Rows
    cells: NDArray[np.float32]
    logits: Floats


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
    """The gate at a clinic, and its colours. `cells` and `cell_limit` stand for the bundle's. `…_scores`: sorted scores of
    the clinic's pictures on each question, each by a gate that was fitted without its patient. `refused_before`: how many
    of the promise's pictures the bundle's own gate refuses; `unjudgeable`: how many more were left out, as they can't be
    judged anywhere."""

    spaces: SiteSpaces
    cells: Space
    cell_limit: float
    scale_scores: tuple[float, ...]
    made_scores: tuple[float, ...]
    shows_scores: tuple[float, ...]
    promise: SitePromise
    refused_before: int
    unjudgeable: int
    foreign: tuple[ForeignRefusals, ...]
    colour: SiteColour | None = None

    @property
    def calibration_scores(self) -> dict[str, tuple[float, ...]]:
        """Of each question that has p-values."""
        return {SCALE: self.scale_scores, MADE: self.made_scores, SHOWS: self.shows_scores}

    def faults(self, bundle: Bundle) -> Iterator[str]:
        """What doesn't fit the bundle, such as an array of another shape."""
        outputs, spaces = bundle.manifest.network.outputs, self.spaces
        early, middle = outputs["early"].channels, outputs["middle"].channels
        colours = len(spaces.colours.centre)
        for name, space, width in (
            ("made", spaces.made, early),
            ("colours", spaces.colours, colours),
            ("shows", spaces.shows, middle),
            ("cells", self.cells, early),
        ):
            if space.centre.shape != (width,) or space.whitening.shape != (width, width):
                yield f"its {name} is for another number of channels than {width}"
        everything = early + middle + colours
        if spaces.own.shape != (everything,) or spaces.foreign.ndim != 2 or len(spaces.foreign) != everything:
            yield f"its foreign is for another number of channels than {everything}"
