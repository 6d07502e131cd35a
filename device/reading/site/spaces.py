"""How far a picture lies from a clinic's own: the gate's three questions, as they are asked at a clinic.

- `scale`: octaves from what the rule of scale reads off the clinic's own pictures.
- `made`: the larger of two distances, of the early layer and of the tissue's colours.
- `shows`: the largest of the middle layer's distance and of how far a picture lies towards what is known to be foreign
  (`device/reading/site/foreign.py`).

Each is in units of the 95 % quantile of the clinic's pictures, each by spaces that were fitted without its patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.base.records import Record
from device.reading.distance import distance

Floats = NDArray[np.float64]
PARTS = 6


@dataclass(frozen=True)
class Rows:
    """What is known of pictures, or of windows of a section, a row each: `early` and `middle`, means of the network's
    layers [n, channels]; `colours` of the tissue [n, 9]."""

    early: Floats
    middle: Floats
    colours: Floats

    def __len__(self) -> int:
        return len(self.early)

    @property
    def layers(self) -> Floats:
        """Both layers side by side, as the rule of scale takes them."""
        return np.concatenate([self.early, self.middle], 1)

    @property
    def all(self) -> Floats:
        return np.concatenate([self.early, self.middle, self.colours], 1)


class Space(Record, frozen=True):
    """A Mahalanobis distance: centre [d] and whitening [d, d]."""

    centre: Floats
    whitening: Floats

    def scores(self, rows: Floats) -> Floats:
        return distance(rows, self.centre, self.whitening)

    def in_units_of(self, score: float) -> Space:
        return Space(self.centre, self.whitening / score)


class SiteSpaces(Record, frozen=True):
    """`octaves` is what the bundle's rule of scale reads off the clinic's pictures, in the middle, `octave` the unit of the
    distance from it. `foreign` [d, directions], from the centre `own` [d] of all that is known of the clinic's pictures
    towards foreign ones; zeros where the bundle knows of none."""

    octaves: float
    octave: float
    made: Space
    colours: Space
    shows: Space
    own: Floats
    foreign: Floats

    def parts(self, rows: Rows, octaves: Floats) -> Floats:
        """Each part's score [6, n]: scale, early layer, colours, middle layer, foreign kinds, foreign in general."""
        towards = (rows.all - self.own) @ self.foreign
        return np.stack(
            [
                np.abs(octaves - self.octaves) / self.octave,
                self.made.scores(rows.early),
                self.colours.scores(rows.colours),
                self.shows.scores(rows.middle),
                towards[:, :-1].max(1, initial=0.0),
                towards[:, -1],
            ]
        )

    def in_units_of(self, units: Floats) -> SiteSpaces:
        """The same with each part's score divided by its entry of `units` [6]."""
        scale, made, colours, shows, kinds, general = (float(unit) for unit in units)
        return SiteSpaces(
            self.octaves,
            self.octave * scale,
            self.made.in_units_of(made),
            self.colours.in_units_of(colours),
            self.shows.in_units_of(shows),
            self.own,
            np.concatenate([self.foreign[:, :-1] / kinds, self.foreign[:, -1:] / general], 1),
        )
